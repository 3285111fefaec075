"""Biharmonic inpainting: missing voxels become as smooth as the known ones around them allow.

The squared Laplacian of the image is zero at all missing voxels, L^2 u = 0, and known voxels stay
(Damelin and Hoang 2018, Int. J. Math. Math. Sci. 3950312). At the borders the Laplacian L mirrors
the image about the outer voxel edge (du/dn = 0). Results are limited to the range of the known
voxels, separately for real and imaginary part. Both are rules of scikit-image, and the results are
the same. The matrix depends only on the mask, so it is factorised once for all images and both
parts.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from smrestore.support.errors import InputError

IMAGES = 64
"""Number of images that are filled at a time, to limit the memory."""
COLUMNS = 4
"""Number of right-hand sides that SuperLU solves at a time. More are several times slower."""


def inpaint_biharmonic(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill the missing voxels of images that share one mask.

    Parameters
    ----------
    images
        Real or complex, (n, *grid) or one image (*grid). The values at missing voxels do not
        matter.
    mask
        bool (*grid), True = missing. Axes of one voxel have no effect, so (Nx, Ny, 1) is 2D.

    Returns
    -------
    numpy.ndarray
        Same shape and type as ``images`` (float64 for integers). It is computed in 64 bits.

    Raises
    ------
    InputError
        If the mask does not fit the images, all voxels are missing, or a known value is not finite.
    """
    images, mask = np.asarray(images), np.asarray(mask)
    if images.shape[images.ndim - mask.ndim :] != mask.shape or images.ndim - mask.ndim not in (
        0,
        1,
    ):
        raise InputError(
            f"a mask of {mask.shape} voxels does not fit images of shape {images.shape}",
            field="mask",
            remedy="give one mask for images (n, *grid) or one image (*grid)",
        )
    if images.dtype.kind not in "fc":
        images = images.astype(np.float64)
    filled = images.reshape(-1, mask.size).copy()
    Filling.of(mask).apply(filled)
    return filled.reshape(images.shape)


def inpaint_biharmonic_each(
    images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Fill images (*grid), each with its own mask. Their grids may differ, too.

    Images with equal masks share the factorisation. All else is as in :func:`inpaint_biharmonic`.

    Returns
    -------
    list of numpy.ndarray
        In the order of ``images``.
    """
    if len(images) != len(masks):
        raise InputError(
            f"{len(images)} images with {len(masks)} masks",
            field="masks",
            remedy="give a mask for each image",
        )
    shared: dict[tuple, list[int]] = {}
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        mask = np.asarray(mask)
        key = (np.shape(image), np.asarray(image).dtype.char, mask.shape, mask.tobytes())
        shared.setdefault(key, []).append(i)
    filled: list[np.ndarray] = [np.empty(0)] * len(images)
    for members in shared.values():
        stack = np.stack([np.asarray(images[i]) for i in members])
        for i, image in zip(members, inpaint_biharmonic(stack, masks[members[0]]), strict=True):
            filled[i] = image
    return filled


@dataclass(frozen=True, eq=False)
class Filling:
    """What a mask means for all its images.

    Attributes
    ----------
    missing, known
        Flat indices of the missing voxels, and of one known voxel.
    rows
        Rows of L^2 for the missing voxels.
    factors
        Factors of the entries of L^2 between missing voxels, None if none is missing.
    """

    missing: np.ndarray
    known: int
    rows: sparse.csr_array
    factors: SuperLU | None

    @classmethod
    def of(cls, mask: np.ndarray) -> "Filling":
        """Assemble and factorise; raises :class:`InputError` if all voxels are missing."""
        if mask.dtype != bool:
            raise InputError(
                f"the mask is of type {mask.dtype}",
                field="mask",
                remedy="give bool, True = missing",
            )
        if mask.all():
            raise InputError(
                "all voxels are missing", field="mask", remedy="leave at least one to restore from"
            )
        flat = mask.ravel()
        missing = np.flatnonzero(flat)
        rows = _squared_laplacian(mask.shape)[missing]
        factors = None
        if missing.size:
            # Symmetric and positive definite, since one voxel at least is known.
            factors = splu(
                rows[:, missing].tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        return cls(missing, int(np.argmin(flat)), rows, factors)

    def apply(self, images: np.ndarray) -> None:
        """Fill the missing voxels of images, real or complex (n, P), in place."""
        if self.factors is None or not len(images):
            return
        parts = [images.real, images.imag] if np.iscomplexobj(images) else [images]
        for part in parts:
            for start in range(0, len(part), IMAGES):
                self._apply(part[start : start + IMAGES])

    def _apply(self, part: np.ndarray) -> None:
        values = part.astype(np.float64)
        # A known value in the missing places, so that the extremes are those of the known ones.
        values[:, self.missing] = values[:, self.known, np.newaxis]
        lowest, highest = values.min(axis=1), values.max(axis=1)
        if not (np.isfinite(lowest).all() and np.isfinite(highest).all()):
            raise InputError(
                "known voxels hold NaN or infinity", field="images", remedy="mark them as missing"
            )
        values[:, self.missing] = 0
        source = -(self.rows @ values.T)
        for start in range(0, len(part), COLUMNS):
            columns = slice(start, start + COLUMNS)
            solution = self.factors.solve(np.asfortranarray(source[:, columns]))
            part[columns, self.missing] = np.clip(solution, lowest[columns], highest[columns]).T


@functools.lru_cache(maxsize=32)
def _squared_laplacian(shape: tuple[int, ...]) -> sparse.csr_array:
    """Return L^2 of a grid with voxels in C order. A row has 13 entries in 2D and 25 in 3D.

    With mirrored ends, L is that of a graph: the sum of the neighbors of a voxel minus their number
    times the voxel itself.
    """
    size = int(np.prod(shape))
    diagonals, strides, neighbors = [], [], np.zeros(size)
    for axis, n in enumerate(shape):
        stride = int(np.prod(shape[axis + 1 :]))
        position = np.arange(size) // stride % n
        has_next = (position < n - 1).astype(np.float64)
        neighbors += has_next + (position > 0)
        if n > 1:
            diagonals += [has_next[:-stride]] * 2
            strides += [stride, -stride]
    laplacian = sparse.diags_array([-neighbors, *diagonals], offsets=[0, *strides], format="csr")
    return sparse.csr_array(laplacian @ laplacian)

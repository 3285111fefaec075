"""Positions that mirror each other in the field-free point share their evaluations of the moment.

The mean moment is odd in the field, m(-H) = -m(H), so a static field -H_S with the drive phases
pi - theta gives minus the moment at H_S and theta. In coefficients of the torus of drive phases
(:mod:`smrestore.physics.torus`) this is a sign, ::

    m_abc(-H_S) = -(-1)^(a + b + c) m_abc(H_S).

Where the easy axis follows the static field, or there is none, each axis may be mirrored by itself:
with H_S mirrored along x, m_x changes its sign and so do coefficients of odd a. Four positions of a
plane then share their evaluations, eight in space. Samples in time have no such symmetry.
"""

from dataclasses import dataclass

import numpy as np

from smrestore.physics.particles import Particle
from smrestore.physics.receiver import Receiver
from smrestore.physics.sequence import Sequence


@dataclass(frozen=True)
class Mirrors:
    """Signs of the static field that leave the moment as it is, except for signs.

    Attributes
    ----------
    generators
        Each holds the axes that it mirrors, 0 or 1 for x, y, z. Image e of a position is mirrored
        by the generators whose bits are set in e; image 0 is the position itself.
    """

    generators: tuple[tuple[int, int, int], ...] = ()

    @property
    def n_images(self) -> int:
        """Number of images E of a position, itself included."""
        return 2 ** len(self.generators)

    def bits(self) -> np.ndarray:
        """Return which generators make each image, int64 (E, generators)."""
        return np.arange(self.n_images)[:, None] >> np.arange(len(self.generators)) & 1

    def signs(self) -> np.ndarray:
        """Return the sign of a vector along x, y, z in each image, float64 (E, 3)."""
        generators = np.array(self.generators, dtype=np.int64).reshape(-1, 3)
        return 1.0 - 2.0 * (self.bits() @ generators % 2)

    def channel_signs(self, receiver: Receiver) -> np.ndarray:
        """Return the sign of the moment in each receive channel and image, float64 (C, E)."""
        if receiver.is_unit:
            return self.signs().T
        # All channels, whichever parts of the moment they see, have the sign of the moment.
        return np.tile(self.signs()[:, 0], (receiver.n_channels, 1))

    def count(self, static_field: np.ndarray) -> np.ndarray:
        """Return how many different images each position has, int64 (P,)."""
        moved = (static_field != 0) @ np.array(self.generators, dtype=np.int64).reshape(-1, 3).T > 0
        return 2 ** moved.sum(axis=1)

    def place_of(self, static_field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the place that each position is an image of, and which of its images.

        Parameters
        ----------
        static_field
            float64 (P, 3).

        Returns
        -------
        static_field, image
            At the place, float64 (P, 3), not negative along the axis, or the first of the axes,
            that a generator mirrors; and e, int64 (P,).
        """
        field, image = static_field, np.zeros(len(static_field), dtype=np.int64)
        for bit, axes in enumerate(self.generators):
            sign = np.ones(len(field))
            for axis in np.flatnonzero(axes)[::-1]:
                along = field[:, axis]
                sign = np.where(along == 0, sign, np.sign(along))
            image |= (sign < 0).astype(np.int64) << bit
            field = np.where(np.array(axes) > 0, field * sign[:, None], field)
        # Zeros lose their sign, so that equal positions are equal in every bit.
        return field + 0.0, image


NO_MIRRORS = Mirrors()


def mirrors_of(particle: Particle, sequence: Sequence, receiver: Receiver) -> Mirrors:
    """Return the mirrors of a particle in a drive field, received by these coils."""
    if particle.follows_field and receiver.is_unit:
        driven = np.flatnonzero(sequence.driven)
        return Mirrors(tuple(tuple(int(i == axis) for i in range(3)) for axis in driven))
    return Mirrors(((1, 1, 1),))


def originals(static_field: np.ndarray, mirrors: Mirrors) -> tuple[np.ndarray, np.ndarray]:
    """Return the fewest places whose images include all positions that are asked for.

    Each position is an image of the same place whatever the others are. If a position is asked for
    twice, each has a place of its own.

    Parameters
    ----------
    static_field
        At the positions, float64 (P, 3).

    Returns
    -------
    static_field, images
        At the places, float64 (Q, 3); and which position is image e of a place, int64 (Q, E), -1
        for none.
    """
    field, image = mirrors.place_of(static_field)
    number = np.arange(len(field))
    # numpy.unique along an axis takes five times as long.
    order = np.lexsort(field.T)
    is_new = np.ones(len(field), dtype=bool)
    is_new[1:] = (field[order[1:]] != field[order[:-1]]).any(axis=1)
    images = np.full((np.count_nonzero(is_new), mirrors.n_images), -1)
    images[np.cumsum(is_new) - 1, image[order]] = order
    if np.count_nonzero(images >= 0) == len(field):
        return field[order[is_new]], images
    images = np.full((len(field), mirrors.n_images), -1)
    images[number, image] = number
    return field, images

"""Training pairs as batched tensor operations, from stores and noise in the memory of a GPU.

They are the pairs that :class:`smrestore.training.data.TrainingPairs` makes one by one. With the
same draws, both agree to rounding. :func:`random_draws` draws from the same distributions with the
generator of the device. It transfers nothing, so a CUDA graph can hold it. This works for denoising
without a first guess.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from smrestore.noise import NoisePool
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import complex_sigma
from smrestore.training.data import Sample, select
from smrestore.training.settings import TrainingSettings

Rectangle = tuple[int, int, int]


@dataclass(frozen=True)
class DeviceData:
    """Components and noise in the memory of a device.

    Attributes
    ----------
    values
        Voxels of all components, one component after the other, float32 or complex64 (n,).
    start, size, place
        Of each component: its first voxel, int64 (S,), its voxels along each axis, int64 (S, 3),
        and the first element of its noise in ``noise``, int64 (S,).
    first, count
        Of each matrix that is used: its first component and their number, int64 (M,).
    noise
        complex64 (channels * frequencies * frames,).
    run_first, run_length, run_scale
        Of each run of frames of the pool: first frame, number of frames, and the factor of its
        averages (R,).
    remove_level
        Whether the mean of each run is subtracted.
    """

    values: torch.Tensor
    start: torch.Tensor
    size: torch.Tensor
    place: torch.Tensor
    first: torch.Tensor
    count: torch.Tensor
    noise: torch.Tensor
    run_first: torch.Tensor
    run_length: torch.Tensor
    run_scale: torch.Tensor
    remove_level: bool

    @classmethod
    def load(
        cls,
        store: SystemMatrixStore,
        pool: NoisePool,
        settings: TrainingSettings,
        device: torch.device | str,
    ) -> "DeviceData":
        """Read the data that a training draws from.

        Raises
        ------
        InputError
            If the task is not denoising, there is a guess, or components are added out of phase.
        """
        if settings.task != "denoising" or settings.guess is not None or settings.out_of_phase:
            raise InputError(
                "pairs are made in batches for denoising alone, without guess or lag",
                field="task",
                remedy="train it the usual way",
            )
        _, n_frequencies, n_frames = pool.shape
        values, sizes, places, counts = [], [], [], []
        for matrix in select(store, settings).matrices:
            index = store.index[matrix]
            images = np.asarray(store.components[matrix][()])
            values.append(images.reshape(-1))
            counts.append(len(images))
            sizes.append(np.tile(images.shape[1:], (len(images), 1)))
            rows = pool.place[index["frequency"]]
            places.append((index["channel"] * n_frequencies + rows).astype(np.int64) * n_frames)
        size = np.concatenate(sizes).astype(np.int64)
        voxels = size.prod(axis=1)
        origins = pool.origins
        lengths = np.array([len(origin.frames) for origin in origins], dtype=np.int64)
        scales = [np.sqrt(origin.averages / pool.averages) for origin in origins]
        arrays = {
            "values": np.concatenate(values),
            "start": np.cumsum(voxels) - voxels,
            "size": size,
            "place": np.concatenate(places),
            "first": np.cumsum(counts) - counts,
            "count": np.array(counts, dtype=np.int64),
            "noise": np.asarray(pool.noise).reshape(-1),
            "run_first": np.cumsum(lengths) - lengths,
            "run_length": lengths,
            "run_scale": np.array(scales, dtype=np.float32),
        }
        tensors = {name: torch.tensor(array, device=device) for name, array in arrays.items()}
        return cls(**tensors, remove_level=pool.removes_level)

    @property
    def grids(self) -> np.ndarray:
        """Voxels of the grid of each matrix that is used, int64 (M, 3)."""
        return self.size[self.first].cpu().numpy()


@dataclass(frozen=True)
class Draws:
    """What is random in a batch of pairs.

    Attributes
    ----------
    component
        int64 (B,): its number among all components of the data.
    crop
        First voxel of the window that is cut out of the component, int64 (B, 3).
    flipped
        Axes that are mirrored, bool (B, 3).
    scale, angle, sigma
        Maximum of the truth, its phase in rad, and the standard deviation of the complex noise,
        float32 (B,).
    frame, noise_scale
        First frame of the noise, int64 (B,), and the factor of its averages, float32 (B,).
    offset
        First voxel of the grid in the patch, int64 (B, 3).
    """

    component: torch.Tensor
    crop: torch.Tensor
    flipped: torch.Tensor
    scale: torch.Tensor
    angle: torch.Tensor
    sigma: torch.Tensor
    frame: torch.Tensor
    noise_scale: torch.Tensor
    offset: torch.Tensor

    def to(self, device: torch.device | str) -> "Draws":
        """Return the same data on a device."""
        return Draws(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def patch_of(settings: TrainingSettings) -> Rectangle:
    """Return the sides of the patch along three axes."""
    return (settings.patch,) * settings.dimension + (1,) * (3 - settings.dimension)


def random_draws(
    data: DeviceData,
    settings: TrainingSettings,
    matrices: torch.Tensor,
    count: int,
    patch: Rectangle,
    sigma: float | None = None,
) -> Draws:
    """Draw a batch from the generator of the device.

    Parameters
    ----------
    data, settings
        What is drawn from, and the ranges.
    matrices
        Numbers in the data of the matrices to draw from, int64 (m,).
    count
        Number of pairs, B.
    patch
        Voxels along three axes.
    sigma
        Noise level to use instead of one from the range.
    """
    device = data.values.device

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, dtype=torch.float64, device=device)

    def below(limit: torch.Tensor | int, *shape: int) -> torch.Tensor:
        return (uniform(*shape) * limit).long()

    matrix = matrices[below(len(matrices), count)]
    component = data.first[matrix] + below(data.count[matrix], count)
    stored = data.size[component]
    limit = torch.stack([torch.full_like(stored[:, 0], n) for n in patch], dim=1)
    size = torch.minimum(stored, limit)
    low, high = settings.sigma
    level = low + (high - low) * uniform(count) if sigma is None else uniform(count) * 0 + sigma
    if sigma is None and settings.noise_free:
        level = torch.where(uniform(count) < settings.noise_free, 0.0, level)
    flipped = uniform(count, 3) < (0.5 if settings.flips else 0.0)
    flipped[:, settings.dimension :] = False
    # All possible runs of all scans are equally likely.
    starts = (data.run_length - size.prod(dim=1)[:, None] + 1).clamp(min=0)
    ends = starts.cumsum(dim=1)
    chosen = below(ends[:, -1], count)
    run = (chosen[:, None] >= ends).sum(dim=1)
    before = (ends - starts).gather(1, run[:, None])[:, 0]
    least, most = settings.scale
    return Draws(
        component=component,
        crop=below(stored - size + 1, count, 3),
        flipped=flipped,
        scale=(least + (most - least) * uniform(count)).float(),
        angle=(2 * np.pi * uniform(count)).float(),
        sigma=(level * complex_sigma(1.0, settings.sigma_convention)).float(),
        frame=data.run_first[run] + chosen - before,
        noise_scale=data.run_scale[run],
        offset=below(limit - size + 1, count, 3),
    )


def make_pairs(
    data: DeviceData, draws: Draws, settings: TrainingSettings, patch: Rectangle
) -> Sample:
    """Return a batch of pairs as :class:`TrainingPairs` makes them, on a patch for all its grids.

    ``degraded`` and ``truth`` are (B, 2, *patch), ``mask``, ``valid`` and ``missing`` are
    (B, 1, *patch), and ``sigma`` is (B,). In 2D the third axis is left out.
    """
    device = data.values.device
    stored = data.size[draws.component]
    axes = [torch.arange(n, device=device) for n in patch]
    place, source, sizes = [], [], []
    inside = torch.ones((), dtype=torch.bool, device=device)
    for axis, line in enumerate(axes):
        size = stored[:, axis].clamp(max=patch[axis])[:, None]
        here = line[None] - draws.offset[:, axis, None]
        within = (here >= 0) & (here < size)
        here = torch.where(within, here, 0)
        there = torch.where(draws.flipped[:, axis, None], size - 1 - here, here)
        shape = [-1, 1, 1, 1]
        shape[axis + 1] = patch[axis]
        inside = inside & within.reshape(shape)
        place.append(here.reshape(shape))
        source.append((there + draws.crop[:, axis, None]).reshape(shape))
        sizes.append(size.reshape(-1, 1, 1, 1))
    rows, columns = (stored[:, axis].reshape(-1, 1, 1, 1) for axis in (1, 2))
    voxel = (source[0] * rows + source[1]) * columns + source[2]
    image = data.values[data.start[draws.component].reshape(-1, 1, 1, 1) + voxel] * inside
    # The first axis is the fastest in the order of acquisition.
    frame = place[0] + sizes[0] * (place[1] + sizes[1] * place[2])
    begin = (data.place[draws.component] + draws.frame).reshape(-1, 1, 1, 1)
    noise = data.noise[begin + frame] * inside

    def per_sample(values: torch.Tensor) -> torch.Tensor:
        return values.reshape(-1, 1, 1, 1)

    rest = (1, 2, 3)
    peak = image.abs().amax(rest)
    turn = torch.polar(draws.scale / torch.where(peak > 0, peak, 1), draws.angle)
    truth = image * per_sample(turn)
    count = inside.sum(rest)
    mean = per_sample(noise.sum(rest) / count)
    deviations = (noise - mean) * inside
    power = (deviations.real**2 + deviations.imag**2).sum(rest) / count
    deviation = power.sqrt() * (1 if data.remove_level else draws.noise_scale)
    if data.remove_level:
        noise = deviations
    else:
        noise = (mean + per_sample(draws.noise_scale) * deviations) * inside
    noisy = (draws.sigma > 0) & (deviation > 0)
    strength = torch.where(noisy, draws.sigma / torch.where(noisy, deviation, 1), 0)
    degraded = truth + noise * per_sample(strength)
    factor = degraded.abs().amax(rest)
    factor = torch.where(factor > 0, factor, 1)
    turn = torch.complex(1 / factor, torch.zeros_like(factor))
    if settings.phase == "canonical":
        real, imaginary = degraded.real, degraded.imag
        cosine = (real**2 - imaginary**2).sum(rest, dtype=torch.float64)
        sine = (2 * real * imaginary).sum(rest, dtype=torch.float64)
        turn = torch.polar(1 / factor, (-0.5 * torch.atan2(sine, cosine)).float())
    valid = inside.float()[:, None]
    sample = {
        "degraded": _channels(degraded * per_sample(turn)),
        "mask": valid,
        "truth": _channels(truth * per_sample(turn)),
        "valid": valid,
        "missing": torch.zeros_like(valid),
    }
    if settings.dimension == 2:
        sample = {name: tensor[..., 0] for name, tensor in sample.items()}
    return {**sample, "sigma": draws.sigma / factor}


def _channels(image: torch.Tensor) -> torch.Tensor:
    """Return real and imaginary part as channels, float32 (B, 2, ...)."""
    return torch.stack((image.real, image.imag), dim=1)


@dataclass(frozen=True)
class Group:
    """Matrices whose grids share a patch, and their number of samples in a step."""

    patch: Rectangle
    matrices: tuple[int, ...]
    samples: int


def size_groups(
    grids: np.ndarray, batch_size: int, dimension: int, limit: int, grain: int = 8
) -> list[Group]:
    """Divide matrices among at most ``limit`` patches with little padding.

    The sides of patches are multiples of ``grain``. At first there is a patch for each size that
    occurs. Then the two that add the fewest voxels are joined, until there are few enough. The
    share of a patch in the samples is its share in the matrices, but at least one sample.

    Parameters
    ----------
    grids
        Voxels of the grid of each matrix, int (M, 3).
    batch_size
        Samples in a step.
    dimension
        Driven axes.
    """
    rounded = -(-grids // grain) * grain
    rounded[:, dimension:] = 1
    groups: dict[Rectangle, list[int]] = {}
    for matrix, side in enumerate(rounded.tolist()):
        groups.setdefault(tuple(side), []).append(matrix)

    def joined(a: Rectangle, b: Rectangle) -> tuple[int, Rectangle]:
        patch = tuple(np.maximum(a, b).tolist())
        added = sum(len(groups[p]) * (np.prod(patch) - np.prod(p)) for p in (a, b))
        return int(added), patch

    while len(groups) > max(1, min(limit, batch_size)):
        sides = sorted(groups)
        (_, patch), a, b = min(
            (joined(a, b), a, b) for i, a in enumerate(sides) for b in sides[i + 1 :]
        )
        groups[patch] = sorted({*groups.pop(a), *groups.pop(b), *groups.pop(patch, [])})
    exact = {patch: batch_size * len(m) / len(grids) for patch, m in groups.items()}
    samples = {patch: max(1, int(share)) for patch, share in exact.items()}
    for patch in sorted(exact, key=lambda p: samples[p] - exact[p]):
        if sum(samples.values()) < batch_size:
            samples[patch] += 1
    return [Group(patch, tuple(m), samples[patch]) for patch, m in sorted(groups.items())]

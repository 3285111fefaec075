"""Noise that is drawn by a formula if there is no empty scan, in the form of a measured pool."""

import hashlib
from pathlib import Path

import numpy as np

from smrestore.noise.origin import Origin
from smrestore.noise.pool import check_background_level
from smrestore.noise.workfile import Block, write_pool
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator

PARAMETRIC_MODELS = ("white", "drift-white")
ROWS = 64
"""Components of a block."""
CHUNK = 2**12
"""Frames that are drawn together; part of the numbers, not of the memory alone."""


def build_parametric_pool(
    path: str | Path,
    *,
    model: str,
    name: str,
    seed: int,
    n_frames: int,
    frequency_axis: np.ndarray,
    n_channels: int = 3,
    background_level: str = "remove",
    frequencies: np.ndarray | None = None,
    drift: float = 1.0,
    correlation_frames: float = 200.0,
) -> None:
    """Write a pool of noise that was drawn, not measured.

    Every component has its own independent noise, which depends on seed, name of the pool, channel
    and frequency alone. The white part is circular Gaussian noise of standard deviation 1; pools
    are scaled to the noise level wanted when they are used. Peak memory is about
    20 MiB, whatever the number of frames.

    Parameters
    ----------
    path
        Pool to write, see docs/data-formats.md.
    model
        ``white``: white noise. ``drift-white``: on top of it a stationary first-order
        autoregressive process x_i+1 = r x_i + e_i with r = exp(-1 / correlation_frames), as the
        drift of a scanner.
    name, seed
        Enter the draws.
    n_frames
        Frames of the pool.
    frequency_axis
        Complete frequency axis in Hz, (K,).
    n_channels
        Receive channels.
    background_level
        See :func:`smrestore.noise.build_noise_pool`; the constant background is 0.
    frequencies
        Bins to keep; all by default.
    drift, correlation_frames
        Standard deviation of the drift relative to that of the white noise, and the frames over
        which its correlation falls to 1/e; ``drift-white`` only.

    Raises
    ------
    InputError
        If the model is unknown, or frames or frequencies are out of range.
    """
    check_background_level(background_level)
    if model not in PARAMETRIC_MODELS:
        raise InputError(
            f"unknown {model!r}",
            field="model",
            remedy=f"use one of {', '.join(PARAMETRIC_MODELS)}",
        )
    if n_frames < 2:
        raise InputError(f"{n_frames} frames", field="frames", remedy="give two or more")
    kept = np.arange(len(frequency_axis)) if frequencies is None else np.unique(frequencies)
    if len(kept) == 0 or kept.min() < 0 or kept.max() >= len(frequency_axis):
        raise InputError(
            f"there are {len(frequency_axis)} frequencies, not those wanted",
            path=path,
            field="frequencies",
            remedy="use the sequence of the datasets",
        )
    settings = {"model": model, "seed": seed, "background_level": background_level, "averages": 1}
    if model == "drift-white":
        settings |= {"drift": drift, "correlation_frames": correlation_frames}
    else:
        drift = 0.0
    blocks = [
        (channel, slice(start, min(start + ROWS, len(kept))), slice(first, first + CHUNK))
        for channel in range(n_channels)
        for start in range(0, len(kept), ROWS)
        for first in range(0, n_frames, CHUNK)
    ]
    # The state of the drift at the end of a chunk, of the rows that are being written.
    states: dict[int, complex] = {}

    def block(number: int) -> Block:
        channel, rows, frames = blocks[number]
        values = np.empty((rows.stop - rows.start, min(CHUNK, n_frames - frames.start)), "c8")
        for i, frequency in enumerate(kept[rows]):
            chunk = frames.start // CHUNK
            key = (seed, "parametric noise", name, channel, int(frequency))
            if chunk and i not in states:
                states[i] = _drift_before(key, chunk, correlation_frames) if drift else 0.0
            white, slow, states[i] = _chunk(
                key, chunk, values.shape[1], states.get(i, 0.0), drift and correlation_frames
            )
            values[i] = white + drift * slow
        if frames.start + CHUNK >= n_frames:
            states.clear()
        return (channel, rows, slice(frames.start, frames.start + values.shape[1])), values

    identity = f"{seed} {name} {model} {drift} {correlation_frames if drift else 0}"
    origin = Origin(
        name=f"{model} noise",
        uuid="",
        digest=hashlib.sha256(identity.encode()).hexdigest(),
        averages=1,
        frames=np.arange(n_frames),
    )
    write_pool(
        path,
        shape=(n_channels, len(kept), n_frames),
        origins=[origin],
        attributes={**settings, "n_frequencies": len(frequency_axis)},
        frequency=kept,
        frequency_axis=frequency_axis[kept],
        n_blocks=len(blocks),
        block=block,
    )


def _chunk(
    key: tuple, chunk: int, count: int, state: complex, correlation_frames: float
) -> tuple[np.ndarray, np.ndarray | float, complex]:
    """Return white noise and drift of a chunk of one component, and the last value of the drift.

    Both have standard deviation 1; no drift if ``correlation_frames`` is 0.
    """
    rng = generator(*key, chunk)
    white, innovation = np.sqrt(0.5) * (
        rng.normal(size=(2, CHUNK)) + 1j * rng.normal(size=(2, CHUNK))
    )
    if not correlation_frames:
        return white[:count], 0.0, 0.0
    keep = np.exp(-1 / correlation_frames)
    innovation[(1 if chunk == 0 else 0) :] *= np.sqrt(1 - keep**2)
    # Loaded here, as it takes longer to load than most other modules together.
    from scipy.signal import lfilter

    slow, _ = lfilter([1], [1, -keep], innovation, zi=[keep * state])
    return white[:count], slow[:count], slow[-1]


def _drift_before(key: tuple, chunk: int, correlation_frames: float) -> complex:
    """Return the last value of the drift before a chunk, for a pool that is continued."""
    state = 0.0
    for former in range(chunk):
        state = _chunk(key, former, CHUNK, state, correlation_frames)[2]
    return state

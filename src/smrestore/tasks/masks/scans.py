"""Proposals of missing voxels from calibration scans."""

from itertools import product
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.mdf.system_matrix import calibration_of
from smrestore.tasks.masks.proposal import MaskProposal, propose_mask

BATCH = 256
"""Number of components that are compared."""
PROPOSING = 5.0
"""Smallest ratio of peak and noise of a component that counts."""


def propose_missing(scan: str | Path) -> MaskProposal:
    """Return which positions of a calibration scan look wrong.

    :func:`smrestore.tasks.masks.propose_mask` compares the components with signal of all receive
    channels and all drive-field periods, because their positions are the same.

    Raises
    ------
    InputError
        If the scan is no calibration, has fewer than two background frames, or too few components
        with signal.
    """
    with mdf.open_mdf(scan) as file:
        grid, stored = calibration_of(file), file.frequency_indices
        periods = range(file.acquisition.n_periods)
    images, noise = [], []
    for period, start in product(periods, range(0, len(stored), BATCH)):
        chosen = {"frequencies": stored[start : start + BATCH], "period": period}
        # The error about too few background frames comes first.
        std = mdf.background_std(scan, **chosen).ravel()
        part = mdf.read_system_matrix(scan, **chosen).reshape(-1, *grid.size)
        kept = np.abs(part).max(axis=(1, 2, 3)) > PROPOSING * std
        images.append(part[kept])
        noise.append(std[kept])
    return propose_mask(
        np.concatenate(images),
        np.concatenate(noise),
        order=grid.order,
        meandering=grid.is_meandering,
    )

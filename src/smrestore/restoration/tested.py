"""What restoration was tested on, and what lies outside of it: virtual scans of docs/results.md."""

import logging
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.mdf.system_matrix import calibration_of
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.particles import LANGEVIN_WIDTH, Particle
from smrestore.physics.sequence import Sequence
from smrestore.restoration.summary import WITH_SIGNAL, RestorationSummary

logger = logging.getLogger(__name__)

SIZES = {1: (8, 32), 2: (8, 32), 3: (5, 16)}
"""Voxels along each axis of the trainings and of the virtual scans, by the axes that have more than
one; a line counts as a plane."""
PER_WIDTH = (4.0, 9.0)
"""Voxels per full width at half maximum of the tracer's response: 4 in the virtual scans, 6.3 to
8.7 in the trainings."""
TOLERANCE = 0.1
"""How far out of these limits no warning is worth it."""
USUAL_CORE = 20e-9
"""Core diameter in m that widths are stated for; fields are known before any fit."""
CLEAR = 20.0
"""Signal-to-noise ratio of components that tell whether they are real up to a phase."""
OUT_OF_PHASE = 0.05
"""Amplitude share across the phase of a component from which on it is worth a warning; 0 in
equilibrium."""
FEWEST = 8
"""Components with signal that a fit needs, and that medians should be taken of."""


def warn_of_untested(source: str | Path, summary: RestorationSummary) -> None:
    """Say where a scan lies outside of what was tested, so that expected errors may be wrong."""
    with mdf.open_mdf(source) as file:
        calibration = calibration_of(file)
        sequence = file.of_period(0).sequence()
        grid = None if calibration.fov is None else calibration.grid()
    doubts = (() if grid is None else of_grid(grid, sequence)), of_components(summary)
    for doubt in (doubt for found in doubts for doubt in found):
        logger.warning("%s: outside of what was tested: %s", source, doubt)


def of_grid(grid: CalibrationGrid, sequence: Sequence) -> list[str]:
    """Return what is unusual about a calibration grid: its size, and the width of its voxels."""
    size = np.array(grid.size)
    axes = np.flatnonzero(size > 1)
    found = []
    low, high = SIZES[max(1, len(axes))]
    if any(not low <= n <= high for n in size[axes]):
        shown = " x ".join(map(str, size[axes]))
        found.append(f"a grid of {shown} voxels; tested were {low} to {high} along each axis")
    beta = Particle(USUAL_CORE, 0.0).beta
    for axis in axes:
        gradient = abs(sequence.gradient[axis])
        if gradient == 0:
            continue
        voxels = LANGEVIN_WIDTH / beta / gradient / grid.voxel[axis]
        low, high = PER_WIDTH[0] / (1 + TOLERANCE), PER_WIDTH[1] * (1 + TOLERANCE)
        if not low <= voxels <= high:
            found.append(
                f"{voxels:.2g} voxels along {'xyz'[axis]} per width of the response of a tracer "
                f"with cores of {1e9 * USUAL_CORE:g} nm; tested were {PER_WIDTH[0]:g} to "
                f"{PER_WIDTH[1]:g}"
            )
    return found


def of_components(summary: RestorationSummary) -> list[str]:
    """Return what is unusual about the components of a scan: their signal, and their phase."""
    found = []
    signal = summary.peak >= WITH_SIGNAL * summary.noise
    n_signal = int(np.count_nonzero(signal & (summary.noise > 0)))
    if n_signal < FEWEST and (summary.noise > 0).any():
        found.append(
            f"{n_signal} components have {WITH_SIGNAL:g} times their noise or more; tested scans "
            f"had {FEWEST} at least"
        )
    clear = (summary.noise > 0) & (summary.peak >= CLEAR * summary.noise)
    shares = summary.out_of_phase[clear & np.isfinite(summary.out_of_phase)]
    if len(shares) >= FEWEST and np.median(shares) > OUT_OF_PHASE:
        found.append(
            f"components are not real up to a phase ({100 * np.median(shares):.0f} % of their "
            "amplitude is out of phase), as of a tracer out of equilibrium; "
            "tested ones were"
        )
    return found

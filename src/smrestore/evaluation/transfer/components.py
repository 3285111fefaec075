"""Errors of the components of a restored system matrix against the truth of a virtual scan."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from smrestore import mdf
from smrestore.evaluation.transfer.images import Variant
from smrestore.evaluation.transfer.regridding import regridded
from smrestore.evaluation.transfer.rows import scored_rows
from smrestore.metrics import psnr, ssim
from smrestore.physics.grid import CalibrationGrid
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.calibration_rows import Rows, read_rows
from smrestore.reconstruction.matching import matrix_grid
from smrestore.support.files import atomic_path

BLOCK_BYTES = 1 << 27
"""Memory of the restored components that are read at a time."""


def score_components(
    variants: Sequence[Variant],
    calibration: str | Path,
    truth: str | Path | None,
    *,
    settings: ReconstructionSettings,
    measurement: str,
    path: str | Path,
    missing: np.ndarray | None = None,
) -> None:
    """Compare components of system matrices with the truth and write a CSV row for each.

    Both are divided by the largest magnitude of the true component. Rows without any true signal
    are left out. A matrix on another grid than the truth is compared as
    :func:`smrestore.evaluation.transfer.regridding.regridded`, piecewise constant.

    Parameters
    ----------
    variants
        The system matrices; the truth itself and those on finer grids are left out.
    calibration
        The degraded calibration scan, which decides on rows and their signal-to-noise ratio.
    truth
        Truth of a virtual calibration, on the grid of the restored components; None if nobody knows
        it, which leaves the file empty.
    settings
        Of the reconstruction, see :func:`scored_rows`.
    measurement
        Column of the file; the names of the variants are in another, ``method``.
    missing
        Voxels that were not measured, bool (Nx, Ny, Nz) on the grid of the truth; the scores over
        these alone are added.
    """
    if truth is None:
        with atomic_path(path) as temporary:
            temporary.write_text("")
        return
    rows = scored_rows(calibration, settings)
    sigma = _noise(calibration, rows, settings)
    scan = Path(calibration).stem
    records = [
        {"measurement": measurement, "method": variant.name, "scan": scan, **record}
        for variant in variants
        if variant.same_grid and Path(variant.matrix) != Path(truth)
        for record in _records(variant.matrix, truth, rows, sigma, settings, missing)
    ]
    with atomic_path(path) as temporary:
        pd.DataFrame(records).to_csv(temporary, index=False)


def _records(
    matrix: str | Path,
    truth: str | Path,
    rows: Rows,
    sigma: np.ndarray,
    settings: ReconstructionSettings,
    missing: np.ndarray | None,
) -> Iterator[dict[str, object]]:
    """Yield what is known of each component of one system matrix."""
    grids = matrix_grid(matrix), matrix_grid(truth)
    for part in _parts(len(rows.chosen), grids):
        some = dataclasses.replace(rows, chosen=rows.chosen[part], period=rows.period[part])
        restored = regridded(read_rows(matrix, some, **settings.calibration_reading), *grids)
        for i, (image, true) in enumerate(
            zip(restored, read_rows(truth, some), strict=True), start=part.start
        ):
            peak = np.abs(true).max()
            if peak == 0:  # noise alone: the coils induce nothing at frequency 0
                continue
            channel, frequency = rows.chosen[i]
            record = {
                "channel": channel,
                "frequency": frequency,
                **{
                    f"mixing_order_{a}": n for a, n in zip("xyz", rows.mixing_order[i], strict=True)
                },
                "snr": rows.snr[i],
                "sigma": sigma[i] / peak,
                "used": rows.snr[i] >= settings.snr_threshold,
                "psnr": psnr(image / peak, true / peak),
                "ssim": ssim(image / peak, true / peak),
            }
            if missing is not None:
                record["psnr_missing"] = psnr(image / peak, true / peak, valid=missing)
            yield record


def _noise(calibration: str | Path, rows: Rows, settings: ReconstructionSettings) -> np.ndarray:
    """Return the standard deviation of the complex noise of rows, float64 (n,), in V."""
    noise = np.empty(len(rows.chosen))
    for period in rows.periods:
        own = rows.period == period
        channels, frequencies = rows.chosen[own].T
        wanted, place = np.unique(frequencies, return_inverse=True)
        of_period = mdf.corrected_noise(
            calibration,
            frequencies=wanted,
            period=period,
            spectral_leakage=settings.calibration_leakage,
        )
        noise[own] = of_period[channels, place]
    return noise


def _parts(count: int, grids: tuple[CalibrationGrid, CalibrationGrid]) -> Iterator[slice]:
    step = max(1, BLOCK_BYTES // (16 * sum(grid.n_positions for grid in grids)))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))

"""Tasks of measurements, made from their entries in the configuration and the calibration scan."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.mdf.system_matrix import calibration_of
from smrestore.tasks.masks import mask_from_indices, read_mask
from smrestore.tasks.scan import ScanTask, scan_task


def configured_task(
    entry: Mapping[str, object], scan: str | Path, mask: str | Path | None = None
) -> ScanTask:
    """Return the task of a measurement in the configuration.

    Parameters
    ----------
    entry
        ``task`` and its ``factor``, ``decimate`` and ``missing``: see
        docs/configuration-reference.md.
    scan
        The calibration scan. Missing positions are positions of its grid: a run counts them in the
        order of acquisition, indices in the order of the file.
    mask
        File of missing voxels, if ``missing`` names one.

    Raises
    ------
    InputError
        If the task does not fit the scan, or a setting that it needs is missing.
    """
    options = {key: entry[key] for key in ("factor", "decimate") if key in entry}
    if "missing" not in entry:
        return scan_task(entry["task"], **options)
    with mdf.open_mdf(scan) as file:
        grid = calibration_of(file)
    if mask is not None:
        missing = read_mask(mask, grid.size)
    elif "run" in entry["missing"]:
        first, count = entry["missing"]["run"]
        positions = np.arange(first, first + count)
        missing = mask_from_indices(grid.size, positions, grid.order, meandering=grid.is_meandering)
    else:
        missing = mask_from_indices(grid.size, entry["missing"]["indices"], grid.order)
    return scan_task(entry["task"], missing=missing, **options)

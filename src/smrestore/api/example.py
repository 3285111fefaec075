"""A small virtual scan to try things with."""

from pathlib import Path

from smrestore.api.scan import Scan
from smrestore.configuration.scanners import Scanner
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.sequence import Sequence
from smrestore.scanner import load_scanner, scan_calibration

SEQUENCE = Sequence(
    drive_amplitude=(12e-3, 12e-3, 0.0),
    gradient=(-1.0, -1.0, 2.0),
    dividers=(16, 17, 99),
    base_frequency=2.5e6 / 6,
    sampling_rate=2.5e6,
)
"""In 2D, with a short cycle: 17 and 16 periods of the drive fields."""


def example_scan(
    path: str | Path,
    *,
    size: tuple[int, int] = (15, 13),
    averages: int = 10,
    seed: int = 0,
) -> Scan:
    """Measure a 2D calibration with the virtual scanner of the default run, in seconds.

    Parameters
    ----------
    path
        MDF file to write. The noise-free matrix is written beside it, as ``.truth.h5``.
    size
        Voxels of 2 mm along x and y.
    averages
        Of each position.
    seed
        Of scanner and noise.
    """
    path = Path(path)
    grid = CalibrationGrid((*size, 1), (2e-3 * size[0], 2e-3 * size[1], 0.0))
    virtual = load_scanner("example", Scanner.checked({}).plain())
    scan_calibration(
        path,
        path.with_suffix(".truth.h5"),
        virtual,
        SEQUENCE,
        grid,
        averages=averages,
        seed=seed,
    )
    return Scan(path)

"""The virtual scanner.

Its scans are harder than the training data on purpose: polydisperse cores that relax, a sample of
finite size, imperfect fields, a receive chain with resonances, a background that drifts and jumps,
thermal noise, integer conversion. Names are loaded when they are asked for (PEP 562): a
configuration is checked without the libraries that a scan needs.
"""

from typing import TYPE_CHECKING

from smrestore.support.lazy import load_names

if TYPE_CHECKING:
    from smrestore.scanner.configured import (
        load_calibration,
        load_grid,
        load_scanner,
        load_sequence,
    )
    from smrestore.scanner.phantoms import Phantom, load_phantom
    from smrestore.scanner.scans import (
        Scanner,
        repeat_calibration,
        scan_calibration,
        scan_empty,
        scan_phantom,
    )

__getattr__ = load_names(
    __name__,
    {
        "Phantom": "phantoms",
        "Scanner": "scans",
        "load_calibration": "configured",
        "load_grid": "configured",
        "load_phantom": "phantoms",
        "load_scanner": "configured",
        "load_sequence": "configured",
        "repeat_calibration": "scans",
        "scan_calibration": "scans",
        "scan_empty": "scans",
        "scan_phantom": "scans",
    },
)

__all__ = [
    "Phantom",
    "Scanner",
    "load_calibration",
    "load_grid",
    "load_phantom",
    "load_scanner",
    "load_sequence",
    "repeat_calibration",
    "scan_calibration",
    "scan_empty",
    "scan_phantom",
]

"""The virtual scanner: it measures what a scanner measures, and keeps the truth beside it.

Its scans are harder than the training data on purpose: polydisperse cores that relax, a sample of
finite size, imperfect fields, a receive chain with resonances, a background that drifts and jumps,
thermal noise, integer conversion.
"""

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

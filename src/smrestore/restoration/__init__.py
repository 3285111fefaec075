"""Restoration of measured calibration scans, for any task and method: MDF in, MDF out.

plan      what is read and written, known before anything long is read
scan      block by block: read, restore, write
modelled  by physics that is fitted to the scan
expected  which error is expected of fitted physics
automatic by the method with the least expected error
asked     by what a user asks for
summary   what became of each component
tested    what lies outside of what was tested
"""

from smrestore.support.lazy import load_names

# Fits of scans depend on part of this package, and not on the code of networks.
__getattr__ = load_names(
    __name__,
    {
        "WITH_SIGNAL": "summary",
        "RestorationSummary": "summary",
        "restore_components": "scan",
        "restore_scan": "scan",
    },
)

__all__ = ["WITH_SIGNAL", "RestorationSummary", "restore_components", "restore_scan"]

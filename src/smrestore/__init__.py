"""Restoration of magnetic particle imaging system matrices.

For notebooks and scripts (docs/python.md)::

    import smrestore

    scan = smrestore.open("calibration.mdf")
    scan.plot(0, (8, 7, 0))
    result = smrestore.restore(scan, method="model-and-measurement")
    result.save("restored.mdf")
"""

from smrestore.support.lazy import load_names

# Loaded when they are first used: the libraries behind them take seconds. No import statement names
# them, not even for type checkers, because every job of the workflow reruns after a change of what
# this file imports.
_MODULES = {
    "Component": "api.component",
    "Fit": "api.restoring",
    "InputError": "support.errors",
    "RestoredScan": "api.restoring",
    "Scan": "api.scan",
    "example_scan": "api.example",
    "fit": "api.restoring",
    "open": "api.scan",
    "restore": "api.restoring",
}

__getattr__ = load_names(__name__, _MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})

"""Restoration of measured calibration scans, for any task and method: MDF in, MDF out.

plan      what is read and written, known before anything long is read
scan      block by block: read, restore, write
summary   what became of each component
"""

from smrestore.restoration.scan import restore_components, restore_scan
from smrestore.restoration.summary import WITH_SIGNAL, RestorationSummary

__all__ = ["WITH_SIGNAL", "RestorationSummary", "restore_components", "restore_scan"]

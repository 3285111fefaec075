"""Restoration of measured calibration scans: MDF in, MDF out."""

"""Scans as objects, for notebooks and scripts: ``smrestore.open``, ``fit`` and ``restore``.

component    a component as an array with coordinates, which can be drawn
scan         an MDF file and what is asked of it
restoring    fits and restored scans
example      a small virtual scan to try things with
"""

"""Restoration of magnetic particle imaging system matrices."""

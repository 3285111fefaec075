"""Figures of the results, in the layout of a journal."""

"""Restoration tasks: how a ground truth is degraded, one module per task."""

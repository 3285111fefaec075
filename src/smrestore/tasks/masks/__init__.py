"""Masks of voxels that a calibration did not measure, or measured wrongly: bool, True = missing."""

from smrestore.tasks.masks.drawn import missing_count, random_mask
from smrestore.tasks.masks.measured import mask_from_indices, read_mask, scan_path, write_mask
from smrestore.tasks.masks.proposal import MaskProposal, propose_mask

__all__ = [
    "MaskProposal",
    "mask_from_indices",
    "missing_count",
    "propose_mask",
    "random_mask",
    "read_mask",
    "scan_path",
    "write_mask",
]

"""``smrestore propose-mask``: find positions of a calibration scan that look wrong."""

from pathlib import Path


def propose_mask(scan: Path, mask: Path, /) -> None:
    """Find positions of a calibration scan that look wrong.

    Inpainting can restore them. They are written as a mask (CSV), which you can look through and
    change. docs/lab.md shows how.

    Parameters
    ----------
    scan
        Calibration scan, MDF.
    mask
        Mask to write, CSV.
    """
    from smrestore.support.files import check_separate
    from smrestore.tasks.masks import write_mask
    from smrestore.tasks.masks.scans import propose_missing

    check_separate(mask, scan)
    proposal = propose_missing(scan)
    count, total = int(proposal.mask.sum()), proposal.mask.size
    if count == 0:
        print(f"{scan}: none of {total} positions looks wrong; no mask is written")
        return
    write_mask(mask, proposal.mask, proposal.score)
    print(f"{mask}: {count} of {total} positions look wrong")
    print("The column score is above 1 for those that do by themselves. Look through them.")

"""``smrestore propose-mask``: find positions of a calibration scan that look wrong."""

import argparse
from pathlib import Path


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "propose-mask",
        help="find positions of a calibration scan that look wrong",
        description="Propose the positions of a calibration scan (MDF) that are to be restored by "
        "inpainting, and write them as a mask (CSV) to look through and to change. docs/lab.md "
        "shows how.",
    )
    parser.add_argument("scan", type=Path, help="calibration scan, MDF")
    parser.add_argument("mask", type=Path, help="mask to write, CSV")

    def run(arguments: argparse.Namespace) -> None:
        from smrestore.tasks.masks import write_mask
        from smrestore.tasks.masks.scans import propose_missing

        proposal = propose_missing(arguments.scan)
        count, total = int(proposal.mask.sum()), proposal.mask.size
        if count == 0:
            print(f"{arguments.scan}: none of {total} positions looks wrong; no mask is written")
            return
        write_mask(arguments.mask, proposal.mask, proposal.score)
        print(f"{arguments.mask}: {count} of {total} positions look wrong")
        print("The column score is above 1 for those that do by themselves. Look through them.")

    parser.set_defaults(run=run)

"""Scans from files: checked, and linked to where the workflow looks for scans."""

from pathlib import Path
from typing import get_args

from smrestore.mdf.file import open_mdf
from smrestore.mdf.sliced import write_slice
from smrestore.mdf.system_matrix import calibration_of
from smrestore.support.choices import ScanKind
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path

KINDS = get_args(ScanKind)


def import_scan(
    source: str | Path, destination: str | Path, *, kind: str, slice_index: int | None = None
) -> None:
    """Link an MDF file after checking that it is what it is declared to be.

    With ``slice_index``, one slice along z of a calibration is written instead of a link, see
    :func:`smrestore.mdf.sliced.write_slice`.

    Raises
    ------
    InputError
        If the file is no MDF, is a calibration scan and not declared as one or the
        reverse, or its grid does not fit its frames.
    """
    if kind not in KINDS:
        raise InputError(f"unknown {kind!r}", field="kind", remedy=f"use one of {', '.join(KINDS)}")
    with open_mdf(source) as file:
        is_calibration = file.calibration is not None
        if (kind == "calibration") != is_calibration:
            found = "a calibration scan" if is_calibration else "not a calibration scan"
            raise file.error(
                f"is {found}, but declared as {kind}",
                "/calibration/method",
                "correct the kind of the scan in the configuration, or its path",
            )
        if is_calibration:
            calibration_of(file)
    if slice_index is not None:
        write_slice(source, destination, slice_index)
        return
    with atomic_path(destination) as temporary:
        temporary.symlink_to(Path(source).resolve())

"""Whether scans and system matrices belong together: one sequence, receiver and grid."""

import logging
from pathlib import Path

import h5py
import numpy as np

from smrestore import mdf
from smrestore.mdf import MdfFile, Period
from smrestore.mdf.system_matrix import calibration_of
from smrestore.physics import CalibrationGrid
from smrestore.reconstruction.settings import ReconstructionSettings
from smrestore.support.errors import InputError

logger = logging.getLogger(__name__)


def check_match(calibration: MdfFile, measured: MdfFile, period: Period = None) -> None:
    """Check that a measurement can be reconstructed with a calibration.

    A difference in the correction of spectral leakage, which matters for weak harmonics only, is a
    warning.

    Parameters
    ----------
    calibration, measured
        Open scans.
    period
        Chosen for frames with several periods; None compares all of them.

    Raises
    ------
    InputError
        If the number of periods, the drive field, the selection field, the receiver or the
        correction by the transfer function differ. The line names the first dataset with both
        values, and all others.
    """
    counts = calibration.acquisition.n_periods, measured.acquisition.n_periods
    if period is None and counts[0] != counts[1]:
        raise measured.error(
            f"is {counts[1]}, but {counts[0]} in the calibration {calibration.path}",
            "/acquisition/numPeriodsPerFrame",
            "choose a period, or 'mean' if all are alike",
        )
    if calibration.leakage_is_corrected != measured.leakage_is_corrected:
        logger.warning(
            "%s: spectral leakage is %s in the calibration %s, which changes weak harmonics; "
            "correct it in both or in neither",
            measured.path,
            "corrected here, but not" if measured.leakage_is_corrected else "left here, but not",
            calibration.path,
        )
    ours, theirs = _signature(calibration, period), _signature(measured, period)
    different = [
        name
        for name in ours
        if ours[name] is not None
        and theirs[name] is not None
        and not _equal(ours[name], theirs[name])
    ]
    if not different:
        return
    first, *others = different
    also = f"; {', '.join(others)} differ too" if others else ""
    raise InputError(
        f"is {_text(theirs[first])}, but {_text(ours[first])} in the calibration "
        f"{calibration.path}{also}",
        path=measured.path,
        field=first,
        remedy="reconstruct a scan with a calibration of the same sequence and receiver",
    )


def check_matrix(
    matrix: str | Path, calibration: str | Path, settings: ReconstructionSettings
) -> None:
    """Check that a system matrix, MDF or the truth of a virtual scan, belongs to a calibration.

    Raises
    ------
    InputError
        If what a measurement must share with the calibration differs, or the place of equal grids.
    """
    if Path(matrix).suffix == ".h5":
        return
    reading = {"spectral_leakage": settings.calibration_leakage}
    with mdf.open_mdf(calibration, **reading) as measured, mdf.open_mdf(matrix, **reading) as file:
        check_calibration(measured)
        check_calibration(file)
        check_match(measured, file, settings.period)
        ours, theirs = measured.calibration, file.calibration
        for name in ("fov", "center"):
            one, other = getattr(ours, name), getattr(theirs, name)
            # Another size is another grid, as after accelerated calibration.
            if ours.size == theirs.size and None not in (one, other) and not _equal(one, other):
                dataset = {"fov": "fieldOfView", "center": "fieldOfViewCenter"}[name]
                raise file.error(
                    f"is {other} m, but {one} m in the calibration {calibration}",
                    f"/calibration/{dataset}",
                    "give a system matrix and a calibration of the same grid",
                )


def matrix_grid(path: str | Path) -> CalibrationGrid:
    """Return the grid of a system matrix: MDF, or the truth of a virtual scan."""
    if Path(path).suffix == ".h5":
        with h5py.File(path, "r") as file:
            size = tuple(file["system_matrix"].shape[2:])
            return CalibrationGrid(size, tuple(file.attrs["fov_m"]), tuple(file.attrs["center_m"]))
    with mdf.open_mdf(path) as file:
        return calibration_of(file).grid()


def check_calibration(file: MdfFile) -> None:
    """Check that an open scan is a calibration; raises :class:`InputError` if it is not."""
    if file.calibration is None:
        raise file.error(
            "is a measurement, not a calibration scan",
            "/calibration/method",
            "give the system matrix first, and the phantom scan second",
        )


def chosen_periods(file: MdfFile, wanted: Period) -> list[Period]:
    """Return the periods of a frame that are read: ``wanted`` of several, all of them for None."""
    n_periods = file.acquisition.n_periods
    if n_periods == 1 or wanted is None:
        return list(range(n_periods))
    return [file.of_period(wanted).period]


def _signature(file: MdfFile, period: Period) -> dict[str, object]:
    """Return what calibration and measurement must share, by dataset; None is not stored."""
    acquisition = file.acquisition
    # Periods that are averaged have equal fields.
    periods = [0 if p == mdf.MEAN else p for p in chosen_periods(file, period)]

    def by_period(values: np.ndarray) -> np.ndarray:
        chosen = values[periods if len(values) > 1 else [0] * len(periods)]
        return chosen[0] if len(chosen) == 1 else chosen

    n_axes = min(3, acquisition.strength.shape[1])
    amplitudes = np.zeros((len(acquisition.strength), 3))
    amplitudes[:, :n_axes] = acquisition.strength.max(axis=2)[:, :n_axes]
    strength, divider = by_period(amplitudes), np.zeros(3, dtype=int)
    # The divider of an axis that is off says nothing, and files differ in it.
    driven = (strength.reshape(-1, 3) > 0).any(axis=0)[:n_axes]
    divider[:n_axes] = np.where(driven, acquisition.divider[:n_axes, 0], 0)
    gradient, offset = acquisition.gradient, acquisition.offset_field
    # A phantom may be elsewhere as a whole, but its patches lie as those of the calibration.
    compares_patches = len(periods) > 1 and offset is not None
    return {
        "/acquisition/drivefield/baseFrequency": acquisition.base_frequency,
        "/acquisition/drivefield/divider": divider,
        "/acquisition/drivefield/strength": strength,
        "/acquisition/gradient": None if gradient is None else by_period(gradient[:, 0]),
        "/acquisition/offsetField": by_period(offset[:, 0]) if compares_patches else None,
        "/acquisition/receiver/bandwidth": acquisition.bandwidth,
        "/acquisition/receiver/numSamplingPoints": acquisition.n_samples,
        "/measurement/isTransferFunctionCorrected": file.flags.transfer_function_corrected,
    }


def _equal(one: object, other: object) -> bool:
    return bool(np.allclose(one, other, rtol=1e-6, atol=1e-12))


def _text(value: object) -> str:
    if np.shape(value) == (3, 3):
        off_diagonal = value - np.diag(np.diagonal(value))
        value = value if off_diagonal.any() else np.diagonal(value)
    return str(np.asarray(value).tolist())

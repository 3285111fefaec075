"""From a calibration scan and a phantom scan to images: which rows, and do the scans match."""

import logging
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from smrestore import mdf
from smrestore.errors import InputError
from smrestore.mdf import MdfFile, Period
from smrestore.mdf.layout import IS_BACKGROUND_FRAME
from smrestore.physics import CalibrationGrid, mixing_orders
from smrestore.reconstruction.imaging import ReconstructionSettings, solve
from smrestore.reconstruction.regularization import Regularization
from smrestore.reconstruction.rows import row_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """The rows of a system matrix that a reconstruction uses, the same for every method.

    Attributes
    ----------
    chosen
        int (n, 2): receive channel and frequency bin.
    period
        Drive-field period of the calibration that each row is of, (n,): numbers from 0, or all
        ``"mean"``.
    snr
        Of the chosen rows in the degraded calibration, float64 (n,); NaN where no threshold asks
        for it.
    background_std
        Standard deviation of the complex background of these rows, float64 (n,), in the unit of the
        calibration; None where no weighting asks for it.
    mixing_order
        int (n, 3).
    """

    chosen: np.ndarray
    period: np.ndarray
    snr: np.ndarray
    background_std: np.ndarray | None
    mixing_order: np.ndarray

    @property
    def periods(self) -> list[int | str]:
        """Each period once, in the order of the rows."""
        return list(dict.fromkeys(self.period.tolist()))


@dataclass(frozen=True, eq=False)
class PhantomProblem:
    """A phantom scan at the rows of a reconstruction: the same for every system matrix.

    Attributes
    ----------
    calibration
        The calibration scan that decided on rows and weights.
    rows
        Which rows.
    reference
        These rows of the calibration, complex (n, Nx, Ny, Nz).
    weights
        Of the rows, float64 (n,).
    measurement
        These rows of the phantom scan, without background, complex128 (n, Q).
    averaged_frames
        Frames in each of the Q means; the last may have fewer.
    """

    calibration: str | Path
    rows: Rows
    reference: np.ndarray
    weights: np.ndarray
    measurement: np.ndarray
    averaged_frames: int


@dataclass(frozen=True, eq=False)
class PhantomImages:
    """What a phantom scan was reconstructed to.

    Attributes
    ----------
    images
        float64 (Q, Nx, Ny, Nz), in units of the concentration of the delta sample.
    grid
        The grid of the system matrix.
    rows, regularization
        What was solved.
    averaged_frames
        Frames of the phantom scan in each image; the last image may have fewer.
    """

    images: np.ndarray
    grid: CalibrationGrid
    rows: Rows
    regularization: Regularization
    averaged_frames: int


def reconstruct_phantom(
    matrix: str | Path,
    calibration: str | Path,
    phantom: str | Path,
    settings: ReconstructionSettings,
    *,
    average_frames: int | None = None,
    empty: str | Path | None = None,
) -> PhantomImages:
    """Reconstruct a phantom scan with one system matrix.

    Parameters
    ----------
    matrix
        The system matrix to use: MDF, or the truth of a virtual scan.
    calibration
        The calibration scan as it was measured; it alone decides on rows and weights, so that
        methods are compared on equal terms. The same as ``matrix`` without a comparison.
    phantom
        Phantom scan.
    settings
        Choice of rows, weighting, regularization, constraints and frames.
    average_frames
        Consecutive frames that one image is made of; None averages all into one image.
    empty
        Empty scan whose mean is the background of the phantom, instead of its own background
        frames.

    Raises
    ------
    InputError
        If the scans do not match (the line names the dataset), or no row passes the criteria.
    """
    _matrix_grid(matrix, calibration, settings)  # fails before any long reading
    problem = read_problem(
        calibration, phantom, settings, average_frames=average_frames, empty=empty
    )
    return solve_problem(problem, matrix, settings)


def read_problem(
    calibration: str | Path,
    phantom: str | Path,
    settings: ReconstructionSettings,
    *,
    average_frames: int | None = None,
    empty: str | Path | None = None,
) -> PhantomProblem:
    """Read of the scans what does not depend on the system matrix to reconstruct with.

    Parameters and errors are those of :func:`reconstruct_phantom`.
    """
    with mdf.open_mdf(calibration, spectral_leakage=settings.calibration_leakage) as file:
        _calibration_of(file)
        for other in (phantom, *([] if empty is None else [empty])):
            with mdf.open_mdf(other, spectral_leakage=settings.spectral_leakage) as measured:
                check_match(file, measured, settings.period)
    rows = select_rows(calibration, settings)
    measurement, averaged = read_measurement(
        phantom,
        rows,
        frames=settings.frames,
        average_frames=average_frames,
        empty=empty,
        period=settings.period,
        spectral_leakage=settings.spectral_leakage,
    )
    logger.info("%s: %d rows, %d images", phantom, len(rows.chosen), measurement.shape[1])
    reference = read_rows(calibration, rows, **settings.calibration_reading)
    weights = row_weights(
        settings.weighting, reference.reshape(len(reference), -1), rows.background_std
    )
    return PhantomProblem(calibration, rows, reference, weights, measurement, averaged)


def solve_problem(
    problem: PhantomProblem, matrix: str | Path, settings: ReconstructionSettings
) -> PhantomImages:
    """Reconstruct with one system matrix: MDF, or the truth of a virtual scan.

    Raises
    ------
    InputError
        If it does not match the calibration (the line names the dataset), or lacks a row.
    """
    rows, calibration = problem.rows, problem.calibration
    grid = _matrix_grid(matrix, calibration, settings)
    same = Path(matrix).resolve() == Path(calibration).resolve()
    equations = (
        problem.reference if same else read_rows(matrix, rows, **settings.calibration_reading)
    )
    logger.info("%s: %d voxels", matrix, grid.n_positions)
    images, regularization = solve(equations, problem.measurement, settings, problem.weights)
    return PhantomImages(images, grid, rows, regularization, problem.averaged_frames)


def select_rows(calibration: str | Path, settings: ReconstructionSettings) -> Rows:
    """Choose rows by the signal-to-noise ratio of the calibration as it was measured.

    What no setting asks for is not computed: a calibration without background frames needs no
    signal-to-noise ratio when the threshold is 0. Of several periods per frame, each has rows of
    its own, one period after the other.
    """
    with mdf.open_mdf(calibration) as file:
        if settings.snr_threshold > 0:
            _check_snr(file)
        periods = _periods(file, settings.period)
    parts = [_rows_of_period(calibration, settings, period) for period in periods]
    std = [part.background_std for part in parts]
    return Rows(
        chosen=np.concatenate([part.chosen for part in parts]),
        period=np.concatenate([part.period for part in parts]),
        snr=np.concatenate([part.snr for part in parts]),
        background_std=None if std[0] is None else np.concatenate(std),
        mixing_order=np.concatenate([part.mixing_order for part in parts]),
    )


def _rows_of_period(
    calibration: str | Path, settings: ReconstructionSettings, period: Period
) -> Rows:
    reading = {"period": period, "spectral_leakage": settings.calibration_leakage}
    with mdf.open_mdf(calibration, **reading) as file:
        sequence, n_channels = file.sequence(), file.acquisition.n_channels
        # A file may store its frequencies in any order.
        stored = np.sort(file.frequency_indices)
    orders = mixing_orders(sequence)[stored]
    snr = np.full((n_channels, len(stored)), np.nan)
    if settings.snr_threshold > 0:
        snr = mdf.read_snr(calibration, frequencies=stored, **reading)
    place = settings.select_rows(snr, sequence.frequencies[stored], orders)
    channels, k = place.T
    std = None
    if settings.weighting == "whitening":
        wanted, column = np.unique(k, return_inverse=True)
        std = mdf.background_std(calibration, frequencies=stored[wanted], **reading)
        std = std[channels, column]
    return Rows(
        chosen=np.stack([channels, stored[k]], axis=1),
        period=np.full(len(k), period),
        snr=snr[channels, k],
        background_std=std,
        mixing_order=orders[k],
    )


def read_rows(
    path: str | Path,
    rows: Rows,
    background: str | None = "interpolate",
    spectral_leakage: str = "ignore",
) -> np.ndarray:
    """Return the chosen rows of a calibration scan or truth file, complex (n, Nx, Ny, Nz).

    ``background`` and ``spectral_leakage`` say how scans are read, see
    :func:`smrestore.mdf.read_system_matrix`.

    Raises
    ------
    InputError
        If a row is not in the file.
    """
    parts = []
    for period in rows.periods:
        channels, frequencies, place = _request(rows.chosen[rows.period == period])
        if Path(path).suffix == ".h5":
            matrix = _read_truth(path, channels, frequencies, len(rows.periods))
        else:
            matrix = mdf.read_system_matrix(
                path,
                channels=channels,
                frequencies=frequencies,
                background=background,
                period=period,
                spectral_leakage=spectral_leakage,
            )
        parts.append(matrix[place])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _read_truth(
    path: str | Path, channels: np.ndarray, frequencies: np.ndarray, n_periods: int
) -> np.ndarray:
    """Return rows of the truth of a virtual scan, which has one period per frame."""
    if n_periods > 1:
        raise InputError(
            f"the truth is of one drive-field period per frame, the calibration of {n_periods}",
            path=path,
            field="system_matrix",
            remedy="choose a period",
        )
    with h5py.File(path, "r") as file:
        if "frequency" in file:
            # The truth may hold a part of the frequencies.
            frequencies = np.searchsorted(file["frequency"][()], frequencies)
        return file["system_matrix"][:, frequencies][channels]


def read_measurement(
    phantom: str | Path,
    rows: Rows,
    *,
    frames: tuple[int, int] | None = None,
    average_frames: int | None = None,
    empty: str | Path | None = None,
    period: Period = None,
    spectral_leakage: str = "ignore",
) -> tuple[np.ndarray, int]:
    """Return the chosen rows of a phantom scan without its background, averaged over frames.

    Only the channels and frequencies of the rows are read, block by block. The background is the
    mean of the background frames, or of the empty scan if there is one; a scan that is flagged as
    corrected stays as it is, as does one without any background frame.

    Parameters
    ----------
    phantom
        Phantom scan.
    rows
        What to read.
    frames
        First frame and end (exclusive) among the frames with a phantom; None takes all.
    average_frames, empty
        As for :func:`reconstruct_phantom`.
    period
        Of a phantom scan with several per frame; None takes that of each row.
    spectral_leakage
        ``ignore`` or ``correct``, see :func:`smrestore.mdf.open_mdf`.

    Returns
    -------
    measurement, averaged_frames
        complex128 (n, Q), and the number of frames in each of the Q means.

    Raises
    ------
    InputError
        If all frames are background, the wanted frames do not exist, or a row is not stored.
    """
    with mdf.open_mdf(phantom) as file:
        foreground, background = file.frames.foreground, file.frames.background
        corrected = file.flags.background_corrected
    chosen = _chosen_frames(phantom, foreground, frames)
    averaged = min(average_frames or len(chosen), len(chosen))
    reading = {"period": period, "spectral_leakage": spectral_leakage}
    measurement = _means(phantom, rows, chosen, averaged, **reading)
    if empty is not None:
        with mdf.open_mdf(empty) as file:
            n_empty = file.acquisition.n_frames
        measurement -= _means(empty, rows, np.arange(n_empty), n_empty, **reading)
    elif len(background) and not corrected:
        measurement -= _means(phantom, rows, background, len(background), **reading)
    elif not corrected:
        logger.warning("%s: no background is subtracted, there are no background frames", phantom)
    return measurement, averaged


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


def _periods(file: MdfFile, wanted: Period) -> list[Period]:
    """Return the periods of a frame that are read: ``wanted`` of several, all of them for None."""
    n_periods = file.acquisition.n_periods
    if n_periods == 1 or wanted is None:
        return list(range(n_periods))
    return [file.of_period(wanted).period]


def _signature(file: MdfFile, period: Period) -> dict[str, object]:
    """Return what calibration and measurement must share, by dataset; None is not stored."""
    acquisition = file.acquisition
    # Periods that are averaged have equal fields.
    periods = [0 if p == mdf.MEAN else p for p in _periods(file, period)]

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


def _calibration_of(file: MdfFile) -> None:
    if file.calibration is None:
        raise file.error(
            "is a measurement, not a calibration scan",
            "/calibration/method",
            "give the system matrix first, and the phantom scan second",
        )


def _check_snr(file: MdfFile) -> None:
    if file.calibration.snr is None and not file.is_background.any():
        raise file.error(
            "no signal-to-noise ratio is stored, and there are no background frames for one",
            "/calibration/snr",
            "let the calibration as it was measured choose the rows (--calibration), or set the "
            "threshold to 0",
        )


def _matrix_grid(
    matrix: str | Path, calibration: str | Path, settings: ReconstructionSettings
) -> CalibrationGrid:
    """Return the grid of the image, after a check that matrix and calibration belong together."""
    if Path(matrix).suffix == ".h5":
        with h5py.File(matrix, "r") as file:
            size = file["system_matrix"].shape[2:]
            return CalibrationGrid(
                tuple(size), tuple(file.attrs["fov_m"]), tuple(file.attrs["center_m"])
            )
    reading = {"spectral_leakage": settings.calibration_leakage}
    with mdf.open_mdf(calibration, **reading) as measured, mdf.open_mdf(matrix, **reading) as file:
        _calibration_of(measured)
        _calibration_of(file)
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
        return file.grid()


def _request(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return channels and frequencies to read, ascending, and the rows' place among them."""
    (channels, c), (frequencies, k) = (np.unique(part, return_inverse=True) for part in chosen.T)
    return channels, frequencies, (c, k)


def _chosen_frames(
    phantom: str | Path, foreground: np.ndarray, chosen: tuple[int, int] | None
) -> np.ndarray:
    if len(foreground) == 0:
        raise InputError(
            "all frames are background",
            path=phantom,
            field=IS_BACKGROUND_FRAME,
            remedy="give a scan with a phantom inside",
        )
    first, end = (0, len(foreground)) if chosen is None else chosen
    if not 0 <= first < end <= len(foreground):
        raise InputError(
            f"frames from {first} up to {end} are wanted, there are {len(foreground)} with a "
            "phantom",
            path=phantom,
            field="frames",
            remedy=f"choose from 0 up to {len(foreground)}",
        )
    return foreground[first:end]


def _means(
    path: str | Path,
    rows: Rows,
    frames: np.ndarray,
    averaged: int,
    *,
    period: Period,
    spectral_leakage: str,
) -> np.ndarray:
    """Return means over consecutive frames, complex128 (n, ceil(len(frames) / averaged))."""
    group = np.arange(len(frames)) // averaged
    counts = np.bincount(group)
    with mdf.open_mdf(path) as file:
        chosen = _periods(file, period)
    parts = []
    for own in rows.periods:
        channels, frequencies, place = _request(rows.chosen[rows.period == own])
        sums = np.zeros((len(counts), len(place[0])), np.complex128)
        start = 0
        for _, spectra in mdf.iter_spectra(
            path,
            channels=channels,
            frequencies=frequencies,
            frames=frames,
            # Either one is chosen, or there are as many as the calibration has.
            period=chosen[0] if len(chosen) == 1 else own,
            spectral_leakage=spectral_leakage,
        ):
            values = spectra[(slice(None), *place)].astype(np.complex128)
            np.add.at(sums, group[start : start + len(values)], values)
            start += len(values)
        parts.append((sums / counts[:, None]).T)
    return np.concatenate(parts)

"""From a calibration scan and a phantom scan to images: which rows, and do the scans match."""

import logging
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from smrestore import mdf
from smrestore.errors import InputError
from smrestore.mdf import MdfFile
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
    snr: np.ndarray
    background_std: np.ndarray | None
    mixing_order: np.ndarray


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
    with mdf.open_mdf(calibration) as file:
        _calibration_of(file)
        for other in (phantom, *([] if empty is None else [empty])):
            with mdf.open_mdf(other) as measured:
                check_match(file, measured)
        grid = _matrix_grid(matrix, file)
    rows = select_rows(calibration, settings)
    measurement, averaged = read_measurement(
        phantom,
        rows,
        frames=settings.frames,
        average_frames=average_frames,
        empty=empty,
    )
    reference = read_rows(calibration, rows)
    same = Path(matrix).resolve() == Path(calibration).resolve()
    equations = reference if same else read_rows(matrix, rows)
    weights = row_weights(
        settings.weighting, reference.reshape(len(reference), -1), rows.background_std
    )
    logger.info(
        "%s: %d rows, %d voxels, %d images",
        phantom,
        len(equations),
        grid.n_positions,
        measurement.shape[1],
    )
    images, regularization = solve(equations, measurement, settings, weights)
    return PhantomImages(images, grid, rows, regularization, averaged)


def select_rows(calibration: str | Path, settings: ReconstructionSettings) -> Rows:
    """Choose rows by the signal-to-noise ratio of the calibration as it was measured.

    What no setting asks for is not computed: a calibration without background frames needs no
    signal-to-noise ratio when the threshold is 0.
    """
    with mdf.open_mdf(calibration) as file:
        sequence, stored = file.sequence(), file.frequency_indices
        n_channels = file.acquisition.n_channels
        if settings.snr_threshold > 0:
            _check_snr(file)
    orders = mixing_orders(sequence)[stored]
    snr = np.full((n_channels, len(stored)), np.nan)
    if settings.snr_threshold > 0:
        snr = mdf.read_snr(calibration)
    place = settings.select_rows(snr, sequence.frequencies[stored], orders)
    channels, k = place.T
    std = None
    if settings.weighting == "whitening":
        wanted, column = np.unique(k, return_inverse=True)
        std = mdf.background_std(calibration, frequencies=stored[wanted])[channels, column]
    return Rows(np.stack([channels, stored[k]], axis=1), snr[channels, k], std, orders[k])


def read_rows(path: str | Path, rows: Rows) -> np.ndarray:
    """Return the chosen rows of a calibration scan or truth file, complex (n, Nx, Ny, Nz)."""
    channels, frequencies, place = _request(rows)
    if Path(path).suffix == ".h5":
        with h5py.File(path, "r") as file:
            if "frequency" in file:
                # The truth may hold a part of the frequencies.
                frequencies = np.searchsorted(file["frequency"][()], frequencies)
            matrix = file["system_matrix"][:, frequencies][channels]
    else:
        matrix = mdf.read_system_matrix(path, channels=channels, frequencies=frequencies)
    return matrix[place]


def read_measurement(
    phantom: str | Path,
    rows: Rows,
    *,
    frames: tuple[int, int] | None = None,
    average_frames: int | None = None,
    empty: str | Path | None = None,
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
    measurement = _means(phantom, rows, chosen, averaged)
    if empty is not None:
        with mdf.open_mdf(empty) as file:
            n_empty = file.acquisition.n_frames
        measurement -= _means(empty, rows, np.arange(n_empty), n_empty)
    elif len(background) and not corrected:
        measurement -= _means(phantom, rows, background, len(background))
    elif not corrected:
        logger.warning("%s: no background is subtracted, there are no background frames", phantom)
    return measurement, averaged


def check_match(calibration: MdfFile, measured: MdfFile) -> None:
    """Check that a measurement can be reconstructed with a calibration.

    Raises
    ------
    InputError
        If the drive field, the selection field, the receiver or the correction by the transfer
        function differ. The line names the first dataset with both values, and all others.
    """
    ours, theirs = _signature(calibration), _signature(measured)
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


def _signature(file: MdfFile) -> dict[str, object]:
    """Return what calibration and measurement must share, by dataset; None is not stored."""
    acquisition = file.acquisition
    strength, divider = np.zeros(3), np.zeros(3, dtype=int)
    amplitudes = acquisition.strength.max(axis=(0, 2))[:3]
    strength[: len(amplitudes)] = amplitudes
    # The divider of an axis that is off says nothing, and files differ in it.
    driven = amplitudes > 0
    divider[: len(amplitudes)] = np.where(driven, acquisition.divider[: len(amplitudes), 0], 0)
    gradient = acquisition.gradient
    return {
        "/acquisition/drivefield/baseFrequency": acquisition.base_frequency,
        "/acquisition/drivefield/divider": divider,
        "/acquisition/drivefield/strength": strength,
        "/acquisition/gradient": None if gradient is None else gradient[0, 0],
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


def _matrix_grid(matrix: str | Path, calibration: MdfFile) -> CalibrationGrid:
    """Return the grid of the image, after a check that matrix and calibration belong together."""
    if Path(matrix).suffix == ".h5":
        with h5py.File(matrix, "r") as file:
            size = file["system_matrix"].shape[2:]
            return CalibrationGrid(
                tuple(size), tuple(file.attrs["fov_m"]), tuple(file.attrs["center_m"])
            )
    with mdf.open_mdf(matrix) as file:
        _calibration_of(file)
        check_match(calibration, file)
        ours, theirs = calibration.calibration, file.calibration
        for name in ("fov", "center"):
            one, other = getattr(ours, name), getattr(theirs, name)
            # Another size is another grid, as after accelerated calibration.
            if ours.size == theirs.size and None not in (one, other) and not _equal(one, other):
                dataset = {"fov": "fieldOfView", "center": "fieldOfViewCenter"}[name]
                raise file.error(
                    f"is {other} m, but {one} m in the calibration {calibration.path}",
                    f"/calibration/{dataset}",
                    "give a system matrix and a calibration of the same grid",
                )
        return _grid_of(file)


def _grid_of(file: MdfFile) -> CalibrationGrid:
    try:
        return file.calibration.grid()
    except InputError as error:
        raise file.error(error.what, error.field, error.remedy) from None


def _request(rows: Rows) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return channels and frequencies to read, ascending, and the rows' place among them."""
    (channels, c), (frequencies, k) = (
        np.unique(part, return_inverse=True) for part in rows.chosen.T
    )
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


def _means(path: str | Path, rows: Rows, frames: np.ndarray, averaged: int) -> np.ndarray:
    """Return means over consecutive frames, complex128 (n, ceil(len(frames) / averaged))."""
    channels, frequencies, place = _request(rows)
    group = np.arange(len(frames)) // averaged
    counts = np.bincount(group)
    sums = np.zeros((len(counts), len(rows.chosen)), np.complex128)
    start = 0
    for _, spectra in mdf.iter_spectra(
        path, channels=channels, frequencies=frequencies, frames=frames
    ):
        values = spectra[(slice(None), *place)].astype(np.complex128)
        np.add.at(sums, group[start : start + len(values)], values)
        start += len(values)
    return (sums / counts[:, None]).T

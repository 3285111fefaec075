"""From the files of a measurement to what its figure shows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from smrestore.figures.measurement.choice import Order, choose_components, nearest_frequency
from smrestore.figures.measurement.content import ComponentRow, ImageRow, MeasurementFigure
from smrestore.figures.panels import Panel, cut
from smrestore.mdf import MEAN, MdfFile, Period, open_mdf, read_snr
from smrestore.mdf.layout import SNR
from smrestore.mdf.system_matrix import calibration_of
from smrestore.methods.phase import phase_factor
from smrestore.metrics import psnr
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import format_order, mixing_orders
from smrestore.reconstruction.calibration_rows import Rows, read_rows
from smrestore.support.errors import InputError
from smrestore.tasks.scan import DecimatedScan, InpaintedScan, ScanTask
from smrestore.tasks.task import decimate


@dataclass(frozen=True)
class PlaneChoice:
    """A plane of a volume.

    Attributes
    ----------
    across
        Axis it stands across: ``x``, ``y`` or ``z``.
    position
        In m; by default the center, or of components with missing voxels the plane with most of
        them.
    """

    across: str = "z"
    position: float | None = None


@dataclass(frozen=True)
class Column:
    """Files of one column.

    Attributes
    ----------
    label
        Title.
    matrix
        MDF with the system matrix; or the truth of a virtual calibration, an HDF5 file (``.h5``)
        with ``system_matrix``, complex64 (C, K, Nx, Ny, Nz), attributes ``fov_m`` and ``center_m``
        and, if some frequencies are left out, ``frequency``.
    image
        HDF5 file with a dataset ``image``, float64 (Nx, Ny, Nz), in a group with attributes
        ``fov_m``, ``center_m``, ``psnr_dB`` and ``ssim``; or None.
    seen
        Task of the methods if the column shows what they see of ``matrix``, else None.
    group
        That of ``image``, the root if left out.
    """

    label: str
    matrix: str | Path
    image: str | Path | None = None
    seen: ScanTask | None = None
    group: str = "/"


def load_planes(entries: Sequence[Mapping[str, object]] | None) -> list[PlaneChoice] | None:
    """Return the planes of a configuration, None if it leaves them to the figure."""
    if entries is None:
        return None
    positions = [entry.get("at_mm") for entry in entries]
    return [
        PlaneChoice(entry["across"], None if at_mm is None else 1e-3 * at_mm)
        for entry, at_mm in zip(entries, positions, strict=True)
    ]


def read_measurement_figure(
    columns: Sequence[Column],
    *,
    components: Sequence[tuple[int, Order]] | None = None,
    count: int = 3,
    component_planes: Sequence[PlaneChoice] | None = None,
    image_planes: Sequence[PlaneChoice] | None = None,
    phantom: str | Path | None = None,
    period: Period = None,
    background: str | None = "interpolate",
    spectral_leakage: str = "ignore",
) -> MeasurementFigure:
    """Read what the figure of a measurement shows.

    Parameters
    ----------
    columns
        The calibration as it was measured first; the truth, or else the best one, last. The last
        one sets brightness and phase of each component.
    components
        Receive channels and mixing orders; where a mixing order is not stored, the nearest one is
        shown and named. By default ``count`` of :func:`choose_components`.
    component_planes, image_planes
        By default the plane across z of components, and of images those across z, y and x as far
        as the grid extends.
    phantom
        HDF5 file with the true ``concentration``, float64 (Nx, Ny, Nz), and attributes ``fov_m``
        and ``center_m``; None if nobody knows it.
    period
        Drive-field period of the components where frames have several, which the rows name; the
        first by default.
    background, spectral_leakage
        How scans are read, see :func:`smrestore.mdf.read_system_matrix`.

    Raises
    ------
    InputError
        A file is missing or incomplete, or components or planes cannot be chosen.
    """
    if not columns:
        raise InputError("there are no columns", field="columns", remedy="give the measurement")
    chosen, titles = _choose(columns[0].matrix, components, count, period, spectral_leakage)
    reading = {"background": background, "spectral_leakage": spectral_leakage}
    volumes = [_read_components(column, chosen, reading) for column in columns]
    rows = [
        row
        for number, title in enumerate(titles)
        for row in _component_rows(number, title, volumes, component_planes)
    ]
    images = [
        None if column.image is None else _read_image(column.image, column.group)
        for column in columns
    ]
    truth = None if phantom is None else _read_volume(phantom, "concentration")
    # The phantom, or the best image, sets the color range and the size of a voxel.
    brightest = truth or next((image for image in reversed(images) if image is not None), None)
    images = [image and _in_voxels_of(image, brightest.grid) for image in images]
    return MeasurementFigure(
        columns=tuple(column.label for column in columns),
        components=tuple(rows),
        images=tuple(_image_rows(images, truth, image_planes)),
        image_scores=tuple((np.nan, np.nan) if i is None else i.scores for i in images),
        image_peak=(float(brightest.values.max()) if brightest else 0.0) or 1.0,
        masked_column=next((i for i, v in enumerate(volumes) if v.missing is not None), None),
    )


@dataclass(frozen=True, eq=False)
class _Volume:
    """Images on a grid: components (n, Nx, Ny, Nz), or a reconstruction (Nx, Ny, Nz).

    ``missing`` are voxels without a value, bool (Nx, Ny, Nz).
    """

    values: np.ndarray
    grid: CalibrationGrid
    missing: np.ndarray | None = None
    is_truth: bool = False
    scores: tuple[float, float] = (np.nan, np.nan)


def _choose(
    measured: str | Path,
    components: Sequence[tuple[int, Order]] | None,
    count: int,
    period: Period,
    spectral_leakage: str,
) -> tuple[Rows, list[str]]:
    """Return the components to show and what each is called."""
    with open_mdf(measured, spectral_leakage=spectral_leakage) as file:
        calibration_of(file)
        n_channels, n_periods = file.acquisition.n_channels, file.acquisition.n_periods
        # As in reconstructions, a choice is one among several.
        period = 0 if period is None or n_periods == 1 else file.of_period(period).period
        sequence, stored = file.of_period(period).sequence(), file.frequency_indices
        knows_noise = file.calibration.snr is not None or bool(file.is_background.any())
        if components is None and not knows_noise:
            raise file.error(
                "no signal-to-noise ratio is stored, and there are no background frames for one, "
                "so that no component can be chosen",
                SNR,
                "name the components of the figure",
            )
    orders = mixing_orders(sequence)
    snr = np.full((n_channels, len(orders)), np.nan)
    if knows_noise:
        snr[:, stored] = read_snr(measured, period=period, spectral_leakage=spectral_leakage)
    if components is None:
        places = choose_components(np.nan_to_num(snr), orders, count)
        wanted = [None] * len(places)
    else:
        places = [(c, nearest_frequency(order, orders, stored)) for c, order in components]
        wanted = [tuple(order) for _, order in components]
    titles = []
    for (channel, frequency), order in zip(places, wanted, strict=True):
        if channel >= n_channels:
            raise InputError(
                f"no receive channel {channel}",
                path=measured,
                field="channel",
                remedy=f"count from 0 to {n_channels - 1}",
            )
        found = orders[frequency]
        title = f"channel ${'xyz'[channel]}$" if channel < 3 else f"channel {channel}"
        title += f", mixing order {_order_text(found, sequence.driven)}"
        if order is not None and tuple(found.tolist()) != order:
            title += f" for {_order_text(np.array(order), sequence.driven)}"
        ratio = snr[channel, frequency]
        if n_periods > 1:
            title += f", mean of {n_periods} periods" if period == MEAN else f", period {period}"
        if np.isfinite(ratio):
            title += f", SNR {ratio:.1f}" if ratio < 10 else f", SNR {ratio:.0f}"
        titles.append(title)
    channels, frequencies = (np.array(part) for part in zip(*places, strict=True))
    ratios = snr[channels, frequencies]
    of_period = np.full(len(places), period)
    return Rows(np.array(places), of_period, ratios, None, orders[frequencies]), titles


def _order_text(order: np.ndarray, driven: tuple[bool, bool, bool]) -> str:
    return format_order(order, driven).replace("-", "−")


def _read_components(column: Column, rows: Rows, reading: Mapping[str, str | None]) -> _Volume:
    path = Path(column.matrix)
    if path.suffix == ".h5":
        with _opened(path, "system_matrix") as file:
            grid = _stored_grid(file, file["system_matrix"].shape[2:])
        return _Volume(read_rows(path, rows), grid, is_truth=True)
    with open_mdf(path) as file:
        grid = _calibration_grid(file)
    values = read_rows(path, rows, **reading)
    return _Volume(values, grid) if column.seen is None else _seen(column.seen, values, grid)


def _calibration_grid(file: MdfFile) -> CalibrationGrid:
    calibration = calibration_of(file)
    try:
        return calibration.grid()
    except InputError as error:
        raise file.error(error.what, error.field, error.remedy) from None


def _seen(task: ScanTask, values: np.ndarray, grid: CalibrationGrid) -> _Volume:
    """Return what a method sees of components, on the grid of what it sees."""
    if isinstance(task, InpaintedScan):
        return _Volume(np.where(task.missing, 0, values), grid, task.missing)
    if not isinstance(task, DecimatedScan):
        return _Volume(values, grid)
    coarse = np.stack([decimate(image, task.factor) for image in values])
    fov, center = [], []
    for n, positions, voxel, whole in zip(
        coarse.shape[1:], grid.axes(), grid.voxel, grid.fov, strict=True
    ):
        # A voxel of the coarse grid stands around its sample.
        kept = positions[:: task.factor]
        fov.append(float(n * task.factor * voxel) if len(positions) > 1 else whole)
        center.append(float((kept[0] + kept[-1]) / 2))
    return _Volume(coarse, CalibrationGrid(coarse.shape[1:], tuple(fov), tuple(center)))


def _component_rows(
    number: int,
    title: str,
    volumes: Sequence[_Volume],
    choices: Sequence[PlaneChoice] | None,
) -> list[ComponentRow]:
    """Return the planes of one component, all with the brightness and phase of the last column."""
    coarsest = min(volumes, key=lambda volume: volume.grid.n_positions).grid
    masked = next((volume for volume in volumes if volume.missing is not None), None)
    missing = None if masked is None else masked.missing
    places = _places(choices or [PlaneChoice()], coarsest, missing)
    rows = [
        [cut(v.values[number], v.grid, across, position) for v in volumes]
        for across, position, _ in places
    ]
    peak, factor = _common_scale([panels[-1] for panels in rows])
    return [
        ComponentRow(
            title + text,
            tuple(panels),
            peak,
            factor,
            tuple(_score(number, volume, volumes[-1]) for volume in volumes),
            masked and cut(missing, masked.grid, across, position),
        )
        for (across, position, text), panels in zip(places, rows, strict=True)
    ]


def _score(number: int, volume: _Volume, truth: _Volume) -> float:
    """Return the PSNR of a component in dB, NaN where it cannot be compared with the truth."""
    true = truth.values[number]
    peak = float(np.abs(true).max())
    comparable = truth.is_truth and volume is not truth and volume.missing is None
    if not comparable or peak == 0 or volume.values[number].shape != true.shape:
        return np.nan
    return psnr(volume.values[number] / peak, true / peak)


def _common_scale(panels: Sequence[Panel]) -> tuple[float, complex]:
    """Return peak and phase factor of a component.

    The factor turns the main phase to the imaginary axis, the largest magnitude towards -i.
    """
    values = np.concatenate([panel.image.ravel() for panel in panels])
    factor = -1j / phase_factor(values)
    largest = values[np.argmax(np.abs(values))] * factor
    return float(np.abs(largest)), complex(-factor if largest.imag > 0 else factor)


def _image_rows(
    images: Sequence[_Volume | None],
    phantom: _Volume | None,
    choices: Sequence[PlaneChoice] | None,
) -> list[ImageRow]:
    present = [image for image in images if image is not None]
    if not present:
        return []
    coarsest = min(present, key=lambda volume: volume.grid.n_positions).grid
    if choices is None:
        extended = [axis for axis in range(3) if coarsest.size[axis] > 1]
        planar = ["xyz"[across] for across in (2, 1, 0) if len(set(extended) - {across}) == 2]
        choices = [PlaneChoice(across) for across in planar]
    return [
        ImageRow(
            f"reconstruction{text}",
            tuple(i and cut(i.values, i.grid, across, position) for i in images),
            phantom and cut(phantom.values, phantom.grid, across, position),
        )
        for across, position, text in _places(choices, coarsest, None)
    ]


def _places(
    choices: Sequence[PlaneChoice], grid: CalibrationGrid, missing: np.ndarray | None
) -> list[tuple[int, float, str]]:
    """Return axis, position in m and text of planes, which lie in voxels of a grid."""
    places = []
    for choice in choices:
        across = "xyz".index(choice.across)
        axis = grid.axes()[across]
        position = choice.position
        if position is None:
            position = grid.center[across]
            if missing is not None and missing.shape == grid.size:
                counts = missing.sum(axis=tuple(i for i in range(3) if i != across))
                # Of planes with as many, the one nearest to the center.
                position = axis[np.lexsort((np.abs(axis - position), -counts))[0]]
        # Ties between two voxels go to the lower one whatever the rounding.
        index = int(np.argmin(np.round(np.abs(axis - position), 9)))
        horizontal, vertical = (name for name in "xyz" if name != choice.across)
        text = ""
        if grid.size[across] > 1:
            at = f"{1e3 * axis[index]:.1f}".replace("-", "−")
            text = f", plane ${choice.across}$ = {at} mm (${horizontal}$ right, ${vertical}$ up)"
        places.append((across, float(axis[index]), text))
    return places


def _in_voxels_of(image: _Volume, grid: CalibrationGrid) -> _Volume:
    """Return an image with the concentrations that voxels of another grid would have.

    A voxel of 1 holds the tracer of one delta sample, however large it is: the same tracer gives
    smaller numbers in smaller voxels.
    """
    ratio = 1.0
    for ours, theirs in zip(image.grid.voxel, grid.voxel, strict=True):
        if ours > 0 and theirs > 0:
            ratio *= theirs / ours
    return replace(image, values=ratio * image.values)


def _read_image(path: str | Path, group: str) -> _Volume:
    with _opened(path, "image", group) as place:
        values = place["image"][()]
        scores = tuple(float(place.attrs.get(name, np.nan)) for name in ("psnr_dB", "ssim"))
        return _Volume(values, _stored_grid(place, values.shape), scores=scores)


def _read_volume(path: str | Path, dataset: str) -> _Volume:
    """Read one image (Nx, Ny, Nz) from an HDF5 file that says where its grid lies."""
    with _opened(path, dataset) as file:
        values = file[dataset][()]
        return _Volume(values, _stored_grid(file, values.shape))


@contextmanager
def _opened(path: str | Path, dataset: str, group: str = "/") -> Iterator[h5py.Group]:
    """Open an HDF5 file that must hold, in a group, a dataset and the place of its grid."""

    def unreadable(fault: object) -> InputError:
        return InputError(
            f"cannot be read ({fault})",
            path=path,
            field=dataset,
            remedy="make it again, with its attributes fov_m and center_m",
        )

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise unreadable(error) from None
    with file:
        if group not in file:
            raise unreadable(f"lacks {group}")
        place = file[group]
        there = {dataset: dataset in place}
        there |= {name: name in place.attrs for name in ("fov_m", "center_m")}
        if not all(there.values()):
            lacking = ", ".join(name for name, found in there.items() if not found)
            raise unreadable(f"lacks {lacking}")
        yield place


def _stored_grid(file: h5py.Group, size: Sequence[int]) -> CalibrationGrid:
    fov, center = (tuple(file.attrs[name].tolist()) for name in ("fov_m", "center_m"))
    return CalibrationGrid(tuple(size), fov, center)

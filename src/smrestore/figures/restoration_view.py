"""Components of a calibration scan before and after restoration, one picture each."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from smrestore.figures.complex_color import draw_wheel
from smrestore.figures.panels import draw_component, planes_through_peak
from smrestore.figures.style import add_axes, add_text, journal_style, new_figure, save_as
from smrestore.mdf import MdfFile, open_mdf, read_system_matrix
from smrestore.physics import format_order, mixing_orders
from smrestore.support.errors import InputError

_PLANE_MM = 40.0
_LEFT, _HEADER, _TITLE, _BOTTOM, _GAP, _LEGEND = 11.0, 8.0, 5.0, 10.0, 14.0, 22.0


def choose_components(snr: np.ndarray, count: int, threshold: float) -> list[tuple[int, int, int]]:
    """Return the places of components from the weakest to the strongest above a threshold.

    A place is period, channel and index among the stored frequencies.

    Parameters
    ----------
    snr
        Signal-to-noise ratio, (J, C, K); NaN is never chosen.
    count
        How many, evenly spread over their ranks. Fewer if there are fewer; the strongest ones if
        none is above the threshold.
    threshold
        Smallest ratio that is worth a picture.
    """
    values = np.nan_to_num(snr, nan=-1.0, posinf=np.finfo(float).max)
    ranked = np.argsort(values, axis=None, kind="stable")
    above = ranked[values.ravel()[ranked] >= threshold]
    if not above.size:
        above = ranked[-count:]
    places = np.unique(np.linspace(0, len(above) - 1, min(count, len(above))).round().astype(int))
    return [tuple(int(i) for i in np.unravel_index(above[place], snr.shape)) for place in places]


def plot_restored(
    source: str | Path,
    restored: str | Path,
    folder: str | Path,
    places: list[tuple[int, int, int]],
    *,
    name: str,
    background: str | None = "interpolate",
    spectral_leakage: str = "ignore",
) -> list[Path]:
    """Draw components before and after restoration and return the pictures.

    Parameters
    ----------
    source, restored
        MDF files of the measured and the restored calibration scan.
    folder
        Pictures are called ``channel-{channel}-k-{frequency}.png``, after ``period-{period}-`` if
        there are several periods in a frame.
    places
        Period, receive channel and index among the stored frequencies of each component.
    name
        Of the method, for the title.
    background, spectral_leakage
        How the source was read.
    """
    with open_mdf(source) as file, open_mdf(restored) as result:
        grids = file.grid(), result.grid()
        frequencies = file.frequency_indices
        hertz, n_periods = file.acquisition.frequencies, file.acquisition.n_periods
        orders = {period: _orders(file, period) for period, *_ in places}
    pictures = []
    for period, channel, place in places:
        k = int(frequencies[place])
        request = {"channels": [channel], "frequencies": [k], "period": period}
        images = [
            read_system_matrix(
                source, **request, background=background, spectral_leakage=spectral_leakage
            )[0, 0],
            read_system_matrix(restored, **request, background=None)[0, 0],
        ]
        title = f"receive channel {channel}, {hertz[k] / 1e3:.2f} kHz (k = {k})"
        if orders[period] is not None:
            title += f", mixing order {orders[period][k]}"
        file_name = f"channel-{channel}-k-{k}.png"
        if n_periods > 1:
            title, file_name = f"period {period}, {title}", f"period-{period}-{file_name}"
        pictures.append(Path(folder) / file_name)
        _draw(images, grids, ("measured", f"restored by {name}"), title, pictures[-1])
    return pictures


def _orders(file: MdfFile, period: int) -> list[str] | None:
    """Return the mixing order of each frequency bin as text; None if the file does not tell."""
    try:
        sequence = file.of_period(period).sequence()
    except InputError:
        # A scan that no Sequence describes has no mixing orders, but components all the same.
        return None
    return [
        format_order(order, sequence.driven).replace("-", "−") for order in mixing_orders(sequence)
    ]


def _draw(images: list, grids: tuple, names: tuple[str, str], title: str, path: Path) -> None:
    peak = max(float(np.abs(image).max()) for image in images)
    # Both are cut through the same place; grids may differ in their number of voxels.
    strongest = np.unravel_index(np.abs(images[1]).argmax(), images[1].shape)
    where = [axis[i] for axis, i in zip(grids[1].axes(), strongest, strict=True)]
    columns = []
    for image, grid in zip(images, grids, strict=True):
        cut = tuple(
            int(np.argmin(np.abs(axis - x))) for axis, x in zip(grid.axes(), where, strict=True)
        )
        columns.append(planes_through_peak(image, grid, cut))
    with journal_style():
        lengths = [plane.panel.extent_lengths for plane in columns[0]]
        scale = _PLANE_MM / max(max(pair) for pair in lengths)
        column_mm = max(scale * w for w, _ in lengths) + _GAP
        height = _HEADER + sum(_TITLE + scale * h + _BOTTOM for _, h in lengths)
        figure = new_figure(_LEFT + 2 * column_mm + _LEGEND, max(height, 38.0))
        add_text(figure, _LEFT, 3.0, title, verticalalignment="top")
        for column, (planes, name) in enumerate(zip(columns, names, strict=True)):
            left, top = _LEFT + column * column_mm, _HEADER
            for row, plane in enumerate(planes):
                w, h = (scale * length for length in plane.panel.extent_lengths)
                ax = add_axes(figure, left, top + _TITLE, w, h)
                draw_component(ax, plane.panel, peak)
                ax.set(xlabel=f"${plane.horizontal}$ (mm)", ylabel=f"${plane.vertical}$ (mm)")
                heading = [name] if row == 0 else []
                heading += [plane.place] if len(planes) > 1 else []
                ax.set_title(", ".join(heading))
                ax.xaxis.set_major_locator(MaxNLocator(5))
                ax.yaxis.set_major_locator(MaxNLocator(5))
                top += _TITLE + h + _BOTTOM
        draw_wheel(add_axes(figure, _LEFT + 2 * column_mm, _HEADER + _TITLE + 3.0, 11.5, 11.5))
        save_as(figure, path)

"""Components of a calibration scan as pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smrestore.figures.component_view import draw_planes
from smrestore.mdf import open_mdf, read_snr, read_system_matrix
from smrestore.mdf.file import MdfFile
from smrestore.physics import format_order, mixing_orders
from smrestore.support.errors import InputError

STRONGEST = 3
"""Components per receive channel that are drawn if none is chosen."""


def plot_scan(
    path: str | Path,
    folder: str | Path,
    components: Sequence[tuple[int, int]] | None = None,
    period: int = 0,
) -> list[Path]:
    """Draw components of a calibration scan, background subtracted, and return the pictures.

    Parameters
    ----------
    path
        Calibration scan.
    folder
        The pictures are called ``channel-{c}-frequency-{k}.png`` there.
    components
        0-based receive channels and frequency indices; by default the three of the highest
        signal-to-noise ratio in each channel.
    period
        Which drive-field period of a frame.

    Raises
    ------
    InputError
        If the file is no calibration scan, has no field of view, or does not hold a component.
    """
    with open_mdf(path, period=period) as file:
        if file.calibration is None:
            raise file.error(
                "is a measurement, which has no components to draw",
                "/calibration/method",
                "give a calibration scan, or leave out --pictures",
            )
        grid = file.grid()
        background = "interpolate" if file.is_background.any() else None
        components = components or _strongest(file)
        lines = [_lines(file, channel, frequency) for channel, frequency in components]
    pictures = []
    for (channel, frequency), text in zip(components, lines, strict=True):
        picture = Path(folder) / f"channel-{channel}-frequency-{frequency}.png"
        matrix = read_system_matrix(
            path,
            channels=[channel],
            frequencies=[frequency],
            background=background,
            period=period,
        )
        draw_planes(matrix[0, 0], grid, text, picture)
        pictures.append(picture)
    return pictures


def _strongest(file: MdfFile) -> list[tuple[int, int]]:
    snr = read_snr(file.path, period=file.period)
    best = np.argsort(-snr, axis=1, kind="stable")[:, :STRONGEST]
    return [
        (channel, int(file.frequency_indices[k])) for channel, row in enumerate(best) for k in row
    ]


def _lines(file: MdfFile, channel: int, frequency: int) -> tuple[str, str]:
    """Say what a component is; its mixing order only where the file tells the sequence."""
    file.channel_indices([channel])
    file.stored_frequencies([frequency])
    text = (
        f"receive channel {channel}, {file.acquisition.frequencies[frequency] / 1e3:.2f} kHz "
        f"(k = {frequency})"
    )
    try:
        sequence = file.sequence()
    except InputError:
        return file.path.name, text
    order = format_order(mixing_orders(sequence)[frequency], sequence.driven)
    return file.path.name, f"{text}, mixing order {order.replace('-', '−')}"

"""The page: one HTML file that needs nothing else, also no network."""

import base64
import gzip
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np

from smrestore.figures.complex_color import complex_to_rgb
from smrestore.figures.reconstruction_view import COLOR_MAP
from smrestore.physics import CalibrationGrid, format_order, total_order
from smrestore.physics.mixing import UNREACHED
from smrestore.support.files import atomic_path, provenance
from smrestore.support.pages import page_environment
from smrestore.viewing.gathering import View, gather
from smrestore.viewing.images import SETTINGS
from smrestore.viewing.matrices import ViewedMatrix
from smrestore.viewing.packing import packed, packed_image

MAGNITUDES, PHASES = 128, 256
"""Sizes of the table of colors of complex numbers."""

NO_ORDER = np.iinfo(np.int16).max
"""Stands for a mixing order that is not known."""


def write_view(
    path: str | Path,
    files: Sequence[str | Path],
    *,
    phantom: str | Path | None = None,
    period: int = 0,
    components: int | None = None,
) -> View:
    """Write the page of calibration scans and restored system matrices.

    Parameters
    ----------
    path
        HTML file to write.
    files, phantom, period, components
        As in :func:`smrestore.viewing.gathering.gather`.

    Returns
    -------
    View
        What it shows.

    Raises
    ------
    InputError
        As in :func:`smrestore.viewing.gathering.gather`.
    """
    view = gather(files, phantom=phantom, period=period, components=components)
    html = render(view)
    with atomic_path(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return view


def render(view: View) -> str:
    """Return the page as HTML text."""
    environment = page_environment("smrestore.viewing")
    labels = _labels([matrix.path for matrix in view.matrices])
    return environment.get_template("view.html.j2").render(
        title=", ".join(labels),
        view=view,
        labels=labels,
        summaries=list(map(_summary, view.matrices, labels)),
        n_shown=sum(map(len, view.rows)),
        n_rows=view.matrices[0].peak.size,
        settings=SETTINGS,
        provenance=provenance(),
        plotly=_plotly(),
        data=_data(view, labels),
    )


def _plotly() -> str:
    """Return the plotting library, compressed, as text: 2 MB instead of 5."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode("ascii")


def _labels(paths: Sequence[Path]) -> list[str]:
    """Return short names, with their folders where several files have the same name."""
    stems = [path.stem for path in paths]
    return [
        path.stem if stems.count(path.stem) == 1 else f"{path.parent.name}/{path.stem}"
        for path in paths
    ]


def _summary(matrix: ViewedMatrix, label: str) -> dict[str, object]:
    facts = [(t, text) for t, text in matrix.summary.facts if not t.startswith("SNR")]
    if matrix.restorations:
        facts.insert(2, ("restored by", "; then ".join(matrix.restorations)))
        facts = [(title, text) for title, text in facts if title != "description"]
    return {
        "label": label,
        "path": str(matrix.path),
        "facts": facts,
        "unusual": matrix.summary.unusual,
        "restored": bool(matrix.restorations),
    }


def _data(view: View, labels: list[str]) -> dict[str, object]:
    """Return what the script of the page draws, ready for JSON."""
    first = view.matrices[0]
    return {
        "labels": labels,
        "restored": [bool(matrix.restorations) for matrix in view.matrices],
        "unit": first.unit or "a.u.",
        "channels": first.n_channels,
        "files": [_file(matrix) for matrix in view.matrices],
        "components": _components(view),
        "drift": _drift(view, labels),
        "reconstructions": [
            {
                "grid": _grid(result.grid),
                "rows": result.rows,
                "image": packed(result.image.real.transpose(2, 1, 0).astype(np.float32)),
            }
            for result in view.reconstructions
        ],
        "colors": {
            "magnitudes": MAGNITUDES,
            "phases": PHASES,
            "complex": packed(_complex_colors()),
            "real": packed(_real_colors()),
        },
    }


def _file(matrix: ViewedMatrix) -> dict[str, object]:
    orders = matrix.orders
    if orders is not None:
        orders = np.where(orders == UNREACHED, NO_ORDER, orders).astype(np.int16)
    quantities = {
        "snr": matrix.snr,
        "peak_to_noise": matrix.peak_to_noise,
        "peak": matrix.peak,
        "noise": matrix.noise,
        "expected_error": matrix.expected_error,
    }
    return {
        "grid": _grid(matrix.grid),
        "k": packed(matrix.frequency_indices.astype(np.int32)),
        "kHz": packed((matrix.frequencies / 1e3).astype(np.float32)),
        "orders": None if orders is None else packed(orders),
        "driven": list(matrix.driven),
        "quantities": {
            name: None if values is None or np.isnan(values).all() else packed(_float32(values))
            for name, values in quantities.items()
        },
    }


def _float32(values: np.ndarray) -> np.ndarray:
    largest = np.finfo(np.float32).max
    return np.clip(values, -largest, largest).astype(np.float32)


def _grid(grid: CalibrationGrid) -> dict[str, object]:
    return {
        "size": list(grid.size),
        "axes": [(1e3 * axis).round(6).tolist() for axis in grid.axes()],
        "fov": [1e3 * length for length in grid.fov],
        "center": [1e3 * place for place in grid.center],
    }


def _components(view: View) -> list[dict[str, object]]:
    first = view.matrices[0]
    places = {int(k): i for i, k in enumerate(first.frequency_indices)}
    totals = None if first.orders is None else total_order(first.orders)
    components = []
    for channel, rows in enumerate(view.rows):
        for k in map(int, rows):
            row, order, total = places[k], None, -1
            if totals is not None and totals[row] >= 0:
                order = format_order(first.orders[row], first.driven).replace("-", "−")
                total = int(totals[row])
            images = (images.get((channel, k)) for images in view.images)
            components.append(
                {
                    "channel": channel,
                    "k": k,
                    "row": row,
                    "order": order,
                    "total": total,
                    "images": [None if i is None else packed_image(i) for i in images],
                }
            )
    return components


def _drift(view: View, labels: list[str]) -> dict[str, object] | None:
    if view.drift is None:
        return None
    drift = view.drift
    deviations = {
        f"{channel} {k}": packed(values.astype(np.complex64).view(np.float32))
        for (channel, k), values in drift.deviations.items()
    }
    return {
        "label": labels[view.matrices.index(view.drift_of)],
        "times": drift.times.tolist(),
        "overall": packed(drift.overall.astype(np.float32)),
        "deviations": deviations,
    }


def _complex_colors() -> np.ndarray:
    """Return the colors of complex numbers, uint8 (MAGNITUDES, PHASES, 3), phases from -pi."""
    magnitude = np.linspace(0, 1, MAGNITUDES)[:, np.newaxis]
    phase = -np.pi + 2 * np.pi * np.arange(PHASES) / PHASES
    rgb = complex_to_rgb(magnitude * np.exp(1j * phase), peak=1.0)
    return np.rint(255 * rgb).astype(np.uint8)


def _real_colors() -> np.ndarray:
    colors = matplotlib.colormaps[COLOR_MAP](np.linspace(0, 1, 256))[:, :3]
    return np.rint(255 * colors).astype(np.uint8)

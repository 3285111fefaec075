"""The common look of all figures: sizes in mm, fonts, and files without dates."""

import io
import re
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path

COLUMN_WIDTH_MM = 85.0
FULL_WIDTH_MM = 170.0

PNG_DPI = 300
SHOWN_DPI = 150
# Images inside a PDF are drawn as pixels, so that no viewer smooths the voxels.
PDF_DPI = 600

SMALL_PT = 6.5
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")

_MM_PER_INCH = 25.4

_RC = {
    # The font that comes with matplotlib: the same figure on every machine.
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "legend.fontsize": SMALL_PT,
    "legend.frameon": False,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "axes.labelpad": 2.0,
    "lines.linewidth": 1.0,
    "image.interpolation": "nearest",
    "pdf.fonttype": 42,
}


def journal_style() -> AbstractContextManager:
    """Return a context in which figures are drawn *and saved*; the user's settings play no part."""
    return matplotlib.style.context(_RC, after_reset=True)


class NotebookFigure(Figure):
    """A figure that notebooks show, although no window system knows it."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        with journal_style():
            self.savefig(picture, format="png", dpi=SHOWN_DPI)
        return picture.getvalue()


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Return an empty figure of this size."""
    return NotebookFigure(figsize=(width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH))


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place in mm from the upper left corner of the figure."""
    total_width, total_height = figure.get_size_inches() * _MM_PER_INCH
    return figure.add_axes(
        (
            left / total_width,
            1 - (top + height) / total_height,
            width / total_width,
            height / total_height,
        )
    )


def add_text(figure: Figure, left: float, top: float, text: str, **settings: object) -> None:
    """Write text at a place in mm from the upper left corner of the figure."""
    total_width, total_height = figure.get_size_inches() * _MM_PER_INCH
    figure.text(left / total_width, 1 - top / total_height, text, **settings)


def text_width_mm(text: str, size_pt: float = SMALL_PT) -> float:
    """Return how wide a line of text is in mm, in the font of all figures."""
    if not text.strip():
        return 0.0
    font = FontProperties(family=_RC["font.family"])
    return TextPath((0, 0), text, size=size_pt, prop=font).get_extents().width / 72 * _MM_PER_INCH


def wrap_text(text: str, width_mm: float, size_pt: float = SMALL_PT) -> str:
    """Break a text at spaces, and after hyphens, into lines that are not wider than ``width_mm``.

    A part without such a place stays whole, however wide it is.
    """
    lines = [""]
    for part in re.findall(r"[^\s-]*-+|[^\s-]+|\s+", text):
        if lines[-1] and text_width_mm(lines[-1] + part, size_pt) > width_mm:
            lines[-1] = lines[-1].rstrip()
            lines.append(part.lstrip())
        else:
            lines[-1] += part
    return "\n".join(line for line in lines if line)


def save_as(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format that the ending of a path names, without a date.

    Raises
    ------
    InputError
        If it names none.
    """
    kind = Path(path).suffix.lower().lstrip(".")
    dates = {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}
    if kind not in dates:
        raise InputError(
            f"no format for figures ends in {Path(path).suffix!r}",
            path=path,
            remedy="use .png, .pdf or .svg",
        )
    with atomic_path(path) as temporary:
        dpi = PNG_DPI if kind == "png" else PDF_DPI
        figure.savefig(temporary, dpi=dpi, metadata=dates[kind])


def save(figure: Figure, pdf_path: str | Path, png_path: str | Path) -> None:
    """Write a figure as PDF and PNG of equal size.

    Neither file holds a date, so equal figures give equal bytes.
    """
    save_as(figure, pdf_path)
    save_as(figure, png_path)

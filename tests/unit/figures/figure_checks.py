"""What a reviewer sees at once in a figure: texts on each other, or beyond the page."""

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from smrestore.figures.style import journal_style

_TOUCH = 0.5
"""Pixels that boxes of texts may share; they are larger than the ink."""


def check_texts(figure) -> list[str]:
    """Assert that no texts overlap or leave the figure, and return them."""
    with journal_style():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
    width, height = figure.canvas.get_width_height()
    boxes = {}
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and _is_drawn(text):
            boxes[text] = text.get_window_extent(renderer)
    for text, box in boxes.items():
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"{text.get_text()!r} leaves the figure"
    for (one, box), (other, second) in itertools.combinations(boxes.items(), 2):
        across = min(box.x1, second.x1) - max(box.x0, second.x0)
        along = min(box.y1, second.y1) - max(box.y0, second.y0)
        clear = across < _TOUCH or along < _TOUCH
        assert clear, f"{one.get_text()!r} overlaps {other.get_text()!r}"
    return [text.get_text() for text in boxes]


def _is_drawn(text: Text) -> bool:
    """Tell apart labels of axes that are switched off, and of ticks outside of what is shown."""
    ax = text.axes
    if ax is None:
        return text in text.figure.texts
    if text in ax.texts:
        return True
    for place, axis in enumerate((ax.xaxis, ax.yaxis)):
        if text in axis.get_majorticklabels():
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (high - low)
            inside = low - slack <= text.get_position()[place] <= high + slack
            return ax.axison and bool(inside)
    # Axes keep labels of ticks that they no longer have.
    return ax.axison and text in (ax.title, ax.xaxis.label, ax.yaxis.label)

"""Draw the data flow of docs/architecture.md: python docs/draw_flow.py.

A picture instead of a diagram language, because pages of the site load nothing from the network.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch

PICTURE = Path(__file__).parent / "images" / "data-flow.png"
WIDTH, HEIGHT = 1.8, 0.62
BOXES = {
    "config.yaml\nand its base": (0, 2),
    "your scans, a\nvirtual scanner": (0, 0),
    "parameters": (1, 2),
    "scans": (1, 0),
    "system\nmatrices": (2, 2),
    "noise": (2, 1),
    "restored\nscans": (5, 0),
    "degraded\npairs": (3, 2),
    "networks": (4, 2),
    "evaluation": (5, 2),
    "tables": (6, 2),
    "images": (6, 0),
    "figures": (7, 0),
    "report.html": (7, 2),
}
"""What is made, and its column and row."""
FILES = ("config.yaml\nand its base", "your scans, a\nvirtual scanner", "report.html")
ARROWS = (
    ("config.yaml\nand its base", "parameters"),
    ("parameters", "system\nmatrices"),
    ("your scans, a\nvirtual scanner", "scans"),
    ("scans", "noise"),
    ("system\nmatrices", "degraded\npairs"),
    ("noise", "degraded\npairs"),
    ("degraded\npairs", "networks"),
    ("networks", "evaluation"),
    ("evaluation", "tables"),
    ("scans", "restored\nscans"),
    ("networks", "restored\nscans"),
    ("restored\nscans", "images"),
    ("tables", "report.html"),
    ("images", "figures"),
    ("figures", "report.html"),
)


def main() -> None:
    """Draw boxes and arrows."""
    figure, axes = plt.subplots(figsize=(11, 3.1))
    middle = {name: (2.2 * x, 1.1 * y) for name, (x, y) in BOXES.items()}
    patches = {}
    for name, (x, y) in middle.items():
        patches[name] = FancyBboxPatch(
            (x - WIDTH / 2, y - HEIGHT / 2),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0.02,rounding_size=" + ("0.3" if name in FILES else "0.06"),
            facecolor="#e8eef7" if name in FILES else "white",
            edgecolor="#33517a",
        )
        axes.add_patch(patches[name])
        axes.text(x, y, name, ha="center", va="center", fontsize=8.5)
    for start, end in ARROWS:
        axes.annotate(
            "",
            middle[end],
            middle[start],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#555555",
                "patchA": patches[start],
                "patchB": patches[end],
                "shrinkA": 2,
                "shrinkB": 2,
            },
        )
    axes.set_xlim(-1.0, 2.2 * 7 + 1.0)
    axes.set_ylim(-0.5, 2.75)
    axes.set_aspect("equal")
    axes.axis("off")
    figure.savefig(PICTURE, dpi=110, bbox_inches="tight", pad_inches=0.05)


if __name__ == "__main__":
    main()

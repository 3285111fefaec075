"""Figures, tables and the report."""

from collections.abc import Iterator

from smrestore.figures.figure2 import draw_figure2
from smrestore.planning.jobs import Bench, Job, cpu_seconds
from smrestore.planning.start import start_of
from smrestore.scanner import load_phantom

WORKSPACE = 100 * 2**20
"""What drawing takes beyond its libraries."""
LARGE = 4
"""Panels of a figure of a measurement over those of figure 2."""
DISK = 1.5e6
"""Bytes of a figure, as PDF and PNG."""


def plan_pages(bench: Bench) -> list[Job]:
    """Return the jobs of figures, tables and the report, from the cost of figure 2."""
    config = bench.config
    start = start_of("figures")
    phantoms = {name: load_phantom(shapes) for name, shapes in config["phantoms"].items()}
    pdf, png = bench.folder / "figure.pdf", bench.folder / "figure.png"
    drawn = cpu_seconds(lambda: draw_figure2(phantoms, pdf, png)) if phantoms else 0.0
    return [
        Job(
            "figures",
            name,
            start.seconds
            + drawn * (LARGE if "measurement" in config["figures"].get(name, {}) else 1),
            memory=start.memory + WORKSPACE,
            disk=DISK,
        )
        for name in _names(config)
    ]


def _names(config: dict) -> Iterator[str]:
    yield from config["figures"]
    for study in config["position_studies"]:
        yield from (f"positions-{study}", f"tables/positions-{study}")
    yield from (f"noise/{pool}" for pool in config["noise_pools"])
    yield from (f"curves/{experiment}" for experiment in config["experiments"])
    yield from (f"tables/{table}" for table in config["tables"])
    yield from (f"tables/transfer-{measurement}" for measurement in config["measurements"])
    if any(
        method in config["twin_methods"]
        for section in ("test_sets", "measurements")
        for entry in config[section].values()
        for method in entry["methods"]
    ):
        yield "tables/twins"
    yield from ("tables/claims", "tables/calibration-time", "report")

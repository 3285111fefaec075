"""The report of a run: every result is on the page, and nothing comes from elsewhere."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from smrestore.figures.style import journal_style, new_figure, save
from smrestore.mdf import import_scan
from smrestore.results_report import TITLE, describe_scans, report_results

CAPTIONS = sorted((Path(__file__).parents[2] / "workflow" / "report").glob("*.rst"))
METHODS = {"dncnn": "DnCNN <1>", "dct-f": "DCT-F"}


def draw(path: Path) -> Path:
    with journal_style():
        save(new_figure(85, 20), path.with_suffix(".pdf"), path.with_suffix(".png"))
    return path.with_suffix(".png")


@pytest.fixture(scope="module")
def page(world, tmp_path_factory) -> str:
    results = tmp_path_factory.mktemp("results")
    tables = []
    for name, cell in (("table2", "30.12 ± 0.30"), ("transfer-snake", "17.4")):
        tables.append(results / "tables" / f"{name}.md")
        tables[-1].parent.mkdir(exist_ok=True)
        rows = pd.DataFrame({"method": ["DCT-F"], "PSNR": [cell]})
        tables[-1].write_text(f"Heading.\n\n{rows.to_markdown(index=False)}\n")
    benchmark = results / "benchmarks" / "training" / "dncnn.jsonl"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text(json.dumps({"s": 61.5, "max_rss": 300}) + "\n")
    import_scan(world.calibration, results / "scans" / "lab.mdf", kind="calibration")
    report_results(
        results / "report.html",
        tables=tables,
        figures=[draw(results / "figures" / f"figure{n}") for n in (1, 3)],
        curves=[draw(results / "models" / "dncnn" / "curve")],
        scans=[world.empty, results / "scans" / "lab.mdf"],
        captions=CAPTIONS,
        config={"seed": 7, "scans": {"empty": {"frames": 150}}},
        labels=METHODS,
        benchmarks=results / "benchmarks",
    )
    return (results / "report.html").read_text(encoding="utf-8")


def headings(page, level):
    return re.findall(rf"<h{level}>(.*?)</h{level}>", page)


def test_every_table_figure_and_curve_is_on_the_page(page):
    assert headings(page, 1) == [TITLE]
    assert headings(page, 2) == [
        "What this is",
        "Tables",
        "Figures",
        "Training",
        "Run times",
        "Inputs",
        "Settings",
    ]
    assert headings(page, 3) == [
        "Table 2",
        "Transfer to the scan snake",
        "Figure 1",
        "Figure 3",
        "DnCNN &lt;1&gt;",
    ]
    for cell in ("30.12 ± 0.30", "17.4", "61.5", "scans.empty.frames", "7"):
        assert f"<td>{cell}</td>" in page
    assert page.count("data:image/png;base64,") == 3


def test_captions_stand_with_their_results(page):
    text = " ".join(page.split())
    for part in (
        "Restoration of magnetic particle imaging system matrices by networks",
        "Restoration of simulated test components",
        "Transfer to a calibration scan (snake)",
        "Examples of simulated two-dimensional system matrix components",
        "Components of a measured system matrix before and after restoration",
        "Course of the training of DnCNN &lt;1&gt;",
    ):
        assert text.count(part) == 1


def test_links_lead_to_the_pdfs_of_the_run_alone(page):
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    outside = [link for link in links if not link.startswith(("#", "data:image/png;base64,"))]
    assert outside == ["figures/figure1.pdf", "figures/figure3.pdf", "models/dncnn/curve.pdf"]
    assert "://" not in page
    assert "<script" not in page


def test_scans_are_described_with_their_origin(world, page, tmp_path):
    import_scan(world.calibration, tmp_path / "lab.mdf", kind="calibration")
    table = describe_scans([world.empty, tmp_path / "lab.mdf"])
    empty, lab = table.to_dict("records")
    assert empty == {
        "scan": "empty",
        "file": "virtual scanner",
        "grid": "",
        "frames": 150,
        "background frames": 0,
        "averages": 1,
        "started": "2026-01-01T00:00:00.000",
    }
    assert (lab["scan"], lab["file"]) == ("lab", str(world.calibration.resolve()))
    assert (lab["grid"], lab["frames"], lab["background frames"]) == ("7 × 5 × 1", 41, 6)
    assert lab["averages"] == 100
    for cell in ("virtual scanner", "7 × 5 × 1", str(world.calibration.resolve())):
        assert f"<td>{cell}</td>" in page


def test_slices_are_not_taken_for_virtual_scans(world, tmp_path):
    path = tmp_path / "thin.mdf"
    import_scan(world.calibration, path, kind="calibration", slice_index=0)
    entry = {"source": "download", "store": "s", "file": "c/1.mdf", "slice": 0}
    described = describe_scans([path, world.empty], {"thin": entry})
    assert described["file"].tolist() == ["s, c/1.mdf, slice 0", "virtual scanner"]

"""The report of a run: every result is on the page, and nothing comes from elsewhere."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from checkout import ROOT
from smrestore.configuration import load_configuration
from smrestore.figures.style import journal_style, new_figure, save
from smrestore.mdf import import_scan
from smrestore.report.inputs import describe_networks, describe_scans, describe_software
from smrestore.report.results import TITLE, report_results
from smrestore.report.scale import scale_differences
from smrestore.support.errors import InputError

CAPTIONS = sorted((ROOT / "workflow" / "report").glob("*.rst"))
STUDY = [ROOT / "config.yaml", ROOT / "config" / "paper.yaml"]
METHODS = {"dncnn": "DnCNN <1>", "dct-f": "DCT-F"}
CARD = {
    "task": "denoising",
    "settings": {"dimension": 2, "network": {"name": "dncnn"}, "steps": 4, "batch_size": 2}
    | {"patch": 12},
    "parameters": 302,
    "seed": 2026,
    "metrics": {"validation_psnr_dB": 21.334, "elapsed_s": 0.4},
    "noise_pool": {"path": "results/noise/training.h5"},
    "training": {
        "files": [{"path": f"r/system_matrices/tiny/train/{batch}.h5"} for batch in ("000", "001")]
    },
    "smrestore_version": "0.1.0",
    "git_commit": "abc123",
}
DATASET = {
    "draws_of": "tiny",
    "model": "anisotropy",
    "matrices": {"train": 0, "validation": 2, "test": 0},
    "refinement": 2,
    "grid": {"minimum_size": 4, "maximum_size": 12, "average_size": [3, 8]},
    "components": {"maximum": 60},
}


def draw(path: Path) -> Path:
    with journal_style():
        save(new_figure(85, 20), path.with_suffix(".pdf"), path.with_suffix(".png"))
    return path.with_suffix(".png")


def write_page(path: Path, *parts: str, cell: str) -> Path:
    """Write a table of one cell; parts with a bar in them stand for it."""
    path.parent.mkdir(exist_ok=True, parents=True)
    rows = pd.DataFrame({"method": ["DCT-F"], "PSNR": [cell]}).to_markdown(
        index=False, disable_numparse=True
    )
    path.write_text("\n\n".join(rows if part == "|" else part for part in parts) + "\n")
    return path


@pytest.fixture(scope="module")
def page(world, tmp_path_factory) -> str:
    results = tmp_path_factory.mktemp("results")
    folder = results / "tables"
    tables = [
        write_page(
            folder / "table2.md", "Table 2. Denoising.", "**2D**", "|", "Notes.", cell="30.12 ± 0.3"
        ),
        write_page(folder / "transfer-snake.md", "|", cell="17.4"),
        write_page(folder / "transfer-snake.classes.md", "|", cell="18.5"),
        write_page(
            folder / "claims.md", "All claims.", "|", "**Comparisons**", "|", cell="not run"
        ),
        write_page(folder / "calibration-time.md", "Times.", "|", "Counted so.", cell="35.9 min"),
    ]
    (folder / "table2.csv").touch()
    (folder / "table2.tex").touch()
    benchmark = results / "benchmarks" / "training" / "dncnn.jsonl"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text(json.dumps({"s": 61.5, "max_rss": 300}) + "\n")
    import_scan(world.calibration, results / "scans" / "lab.mdf", kind="calibration")
    batches = results / "system_matrices" / "tiny" / "validation"
    batches.mkdir(parents=True)
    (batches / "000.h5").symlink_to(world.validation)
    curve = draw(results / "models" / "dncnn" / "curve")
    card = curve.with_name("card.json")
    card.write_text(json.dumps(CARD))
    noise = draw(results / "noise" / "test")
    (results / "noise" / "test.h5").symlink_to(world.pool)
    config = load_configuration(STUDY[:1])
    config["seed"] = 7
    config["scans"] = {"empty": {"frames": 150}}
    report_results(
        results / "report.html",
        tables=tables,
        figures=[draw(results / "figures" / name) for name in ("figure1", "figure3", "transfer")],
        curves=[curve],
        noise=[noise],
        scans=[world.empty, results / "scans" / "lab.mdf"],
        cards=[card],
        captions=CAPTIONS,
        config=config,
        datasets={"tiny": DATASET},
        study=STUDY,
        labels=METHODS,
        results=results,
    )
    return (results / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")


def headings(page, level):
    return re.findall(rf"<h{level}[^>]*>(.*?)</h{level}>", page)


def test_every_table_figure_and_curve_is_on_the_page(page):
    assert headings(page, 1) == [TITLE]
    assert headings(page, 2) == [
        "Claims of the study",
        "Tables",
        "Time of calibrations",
        "Transfer",
        "Figures",
        "Noise",
        "Training",
        "Scale of this run",
        "Inputs",
        "Run times",
        "Settings",
    ]
    titles = headings(page, 3)
    assert re.fullmatch(r"\d+ settings differ", titles.pop(10))
    assert titles == [
        "Verdicts",
        "Table 2. Denoising.",
        "Scans",
        "Transfer to the scan snake",
        "Transfer to the scan snake, classes",
        "Figure 1",
        "Figure 3",
        "Transfer",
        "Noise pool test",
        "DnCNN &lt;1&gt;",
        "Scans",
        "Simulated system matrices",
        "Noise pools",
        "Networks",
        "Software",
    ]
    assert headings(page, 4) == ["Comparisons", "2D"]
    for cell in ("30.12 ± 0.3", "17.4", "18.5", "35.9 min", "61.5", "scans.empty.frames", "7"):
        assert f"<td>{cell}</td>" in page
    # Five figures, of which one is also on the first screen.
    assert page.count("data:image/png;base64,") == 6


def test_captions_stand_with_their_results(page):
    text = " ".join(page.split())
    for part in (
        "Restoration of magnetic particle imaging system matrices by networks",
        "Restoration of simulated test components",
        "Transfer to a calibration scan (snake)",
        "Examples of simulated two-dimensional system matrix components",
        "Denoising of a measured system matrix",
        "Course of the training of DnCNN &lt;1&gt;",
        "Noise pool test: (a) standard deviation",
        "<p>All claims.</p>",
        "<p>Counted so.</p>",
        "<p>Notes.</p>",
    ):
        assert part in text


def test_links_lead_to_the_files_of_the_run_alone(page):
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    outside = [link for link in links if not link.startswith(("#", "data:image/png;base64,"))]
    assert outside == [
        "tables/table2.csv",
        "tables/table2.tex",
        "figures/figure1.pdf",
        "figures/figure3.pdf",
        "figures/transfer.pdf",
        "noise/test.pdf",
        "models/dncnn/curve.pdf",
    ]
    assert "://" not in page
    assert "<script src" not in page


def test_what_is_reduced_is_listed_by_the_program(page):
    default, study = load_configuration(STUDY[:1]), load_configuration(STUDY)
    steps = [c["experiments"]["dncnn"]["training"]["steps"] for c in (default, study)]
    for row in (
        ("datasets.lissajous-2d", "matrices.train", "120", "1000"),
        ("experiments.dncnn", "training.steps", *map(str, steps)),
    ):
        assert "".join(f"<td>{cell}</td>" for cell in row) in page
    study = load_configuration(STUDY)
    assert scale_differences(study, study).empty
    # Where a run computes is no matter of scale.
    assert scale_differences({**study, "accelerator": "gpu"}, study).empty
    added = scale_differences(
        {**study, "seed": 1, "grids": {**study["grids"], "mine": {"n": 2}}}, study
    )
    assert added.to_numpy().tolist() == [
        ["seed", "", "1", str(study["seed"])],
        ["grids.mine", "n", "2", ""],
    ]


def test_inputs_are_described_with_what_made_them(page):
    for cell in (
        "drawn as tiny/validation",
        "4 to 12, average in (3, 8], times 2",
        "tiny/train",
        "0.1.0 (abc123)",
        "21.33",
        "dncnn, 2D",
    ):
        assert f"<td>{cell}</td>" in page
    software = describe_software().set_index("software")["version"]
    assert software["numpy"].count(".") == 2
    assert {"Python", "torch", "snakemake", "machine"} <= set(software.index)


def test_broken_card_is_named(tmp_path):
    card = tmp_path / "dncnn" / "card.json"
    card.parent.mkdir()
    card.write_text(json.dumps({**CARD, "settings": {}}))
    with pytest.raises(InputError, match=r"card\.json: no card of a model"):
        describe_networks([card], METHODS)


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

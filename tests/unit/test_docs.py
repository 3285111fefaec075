"""The reference pages name everything, and their examples work."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from checkout import ROOT
from smrestore.configuration import load_configuration
from smrestore.configuration.reference import REFERENCE, SCHEMA, reference, schema
from smrestore.evaluation import scores, tables
from smrestore.noise import build_parametric_pool
from smrestore.physics.parameters import SizeLimits, draw_cases, simulation_of, write_cases
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.output import reconstruct_to_mdf
from smrestore.simulation.batches import ComponentSelection, simulate_batch
from smrestore.simulation.store import Component
from smrestore.tasks.degradation import Degraded, Pair

DOCS = ROOT / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text()
FORMATS = (DOCS / "data-formats.md").read_text()


def mentioned(page: str) -> set[str]:
    """Return the last word of every dotted key in backticks."""
    return {name.rpartition(".")[2] for name in re.findall(r"`([\w.-]+)`", page)}


def examples(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def section(page: str, title: str) -> str:
    """Return the text below a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\1? ?## |\Z)", page, re.DOTALL | re.M)
    return found[2]


def test_reference_and_schema_are_current() -> None:
    """To renew them: python -m smrestore.configuration.reference."""
    assert (ROOT / REFERENCE).read_text() == reference()
    assert (ROOT / SCHEMA).read_text() == schema()


def test_every_setting_is_described() -> None:
    for line in reference().splitlines():
        if line.startswith("| ") and not line.startswith("| key"):
            assert not line.endswith("|  |"), line


def test_configuration_examples_pass(tmp_path: Path) -> None:
    parts = []
    for i, example in enumerate(examples(CONFIGURATION, "yaml")):
        for path in re.findall(r"path: (\S+?)}", example):
            local = tmp_path / Path(path).name
            local.touch()
            example = example.replace(path, str(local))
        parts.append(tmp_path / f"{i}.yaml")
        parts[-1].write_text(example)
    like, dataset, experiment, shipped, scans, public, white = parts
    for overlays in ([like], [dataset, experiment], [shipped], [scans], [public], [white]):
        load_configuration([ROOT / "config.yaml", *overlays], tmp_path)


def test_case_example_is_complete() -> None:
    (example,) = examples(FORMATS, "json")
    (case,) = json.loads(example)
    assert simulation_of(case).grid.size == (3, 3, 1)


def test_columns_of_parameters(tmp_path: Path) -> None:
    cases = draw_cases(
        1, seed=1, dataset="d", split="test", dimension=2, limits=SizeLimits((4, 60))
    )
    write_cases(tmp_path / "test.csv", cases)
    assert set(pd.read_csv(tmp_path / "test.csv")) <= mentioned(section(FORMATS, "Cases"))
    assert set(cases[0]) <= mentioned(section(FORMATS, "Cases"))


def test_datasets_of_the_store(tmp_path: Path) -> None:
    (case,) = json.loads(examples(FORMATS, "json")[0])
    path = tmp_path / "000.h5"
    simulate_batch([case], path, selection=ComponentSelection(maximum=3), seed=1)
    with h5py.File(path) as file:
        names = {*file["example"], *file.attrs}
    general = {"smrestore_version", "git_commit", "created"}
    assert general <= mentioned(FORMATS)
    assert names - general <= mentioned(section(FORMATS, "System matrix store"))


def test_parameters_of_reconstructions(world, tmp_path: Path) -> None:
    choices = {"shuffle_seed": 1, "frames": (0, 9), "max_mixing_order": 20, "period": 0}
    settings = ReconstructionSettings(
        sweeps=1, relative_regularization=0.1, snr_threshold=1.5, channels=(0,), **choices
    )
    path = tmp_path / "image.mdf"
    options = {"calibration": world.calibration, "empty": world.empty}
    reconstruct_to_mdf(world.calibration, world.empty, path, settings, **options)
    with h5py.File(path) as file:
        group = file["reconstruction"]
        names = {*group, *group["_parameters"]} - {"_parameters", "data"}
    names -= {"smrestore_version", "git_commit", "created"}
    assert names <= mentioned(section(FORMATS, "Reconstruction files"))


def test_datasets_of_noise_pools(tmp_path: Path) -> None:
    path, axis = tmp_path / "pool.h5", np.arange(4.0)
    build_parametric_pool(
        path, model="drift-white", name="p", seed=1, n_frames=9, frequency_axis=axis
    )
    with h5py.File(path) as file:
        names = {*file, *file.attrs, *file["scans/0000"], *file["scans/0000"].attrs} - {"scans"}
    general = {"smrestore_version", "git_commit", "created"}
    assert names - general - {"frames"} <= mentioned(section(FORMATS, "Noise pools"))


def test_columns_of_evaluation() -> None:
    image = np.ones((4, 4, 1), dtype=np.complex64)
    item = scores.EvaluationPair(
        Component("test-00000", 0, 3, (1, 0, 0), image), Pair(Degraded(image, 0.1), image, 1.0), 0.1
    )
    test_set = scores.EvaluationSet("t", "denoising", 1, (0.1,), "complex")
    row = scores.score(item, image, test_set, "m", 1)
    assert set(row) <= mentioned(section(FORMATS, "Evaluation rows"))


def test_columns_of_tables() -> None:
    rows = pd.DataFrame({"method": "m", "sigma": 0.1, "psnr": [1.0, 2.0], "ssim": [0.1, 0.2]})
    test_set = tables.TabulatedSet("t", "denoising", 2, "complex")
    summary = tables.summarize(rows, test_set, number=2)
    published = tables.read_published(ROOT / "workflow/published/tables.csv")
    columns = tables.compare(summary, published, {"m": "dncnn"})
    described = mentioned(section(FORMATS, "Tables"))
    assert {*columns, *published, *tables.METRICS} <= described


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text()
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        if file and "://" not in file:
            assert (DOCS / file).exists(), target
        elif anchor and not file:
            assert anchor in anchors, target

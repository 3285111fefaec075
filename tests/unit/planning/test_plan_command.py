"""``smrestore plan``."""

import logging
from pathlib import Path

import pytest

from smrestore.cli import main
from smrestore.configuration import load_configuration
from smrestore.planning.jobs import Job

ROOT = Path(__file__).parents[3]


def test_a_folder_without_configuration_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["plan"]) == 2
    assert "config.yaml" in capsys.readouterr().err


def test_results_without_benchmarks_are_found_before_anything_is_measured(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("smrestore.planning.stages.plan_run", lambda *_: pytest.fail("measured"))
    assert main(["plan", "--compare", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "no benchmark files" in error
    assert len(error.splitlines()) == 1


def test_gpu_resources_and_jobs_are_handed_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    asked = []

    def plan_run(config, accelerator, gpu):
        asked.append((accelerator, gpu))
        logging.getLogger("smrestore.planning.stages").info("measuring rdn (1 of 2 kernels)")
        return [Job("training", "rdn", 9e3, gpu_seconds=7200.0, memory=1e9)], ["left out"]

    monkeypatch.setattr("smrestore.planning.stages.plan_run", plan_run)
    table = tmp_path / "jobs.csv"
    options = ["--gpu", "a100", "--resources", "--jobs", str(table)]
    assert main(["plan", "config.yaml", "config/paper.yaml", *options]) == 0
    assert asked == [("cpu", "a100")]
    shown = capsys.readouterr()
    assert shown.err == "measuring rdn (1 of 2 kernels)\n"
    assert "Note: GPU hours are estimated for one A100" in shown.out
    assert "Note: left out." in shown.out
    assert "train_network:" in shown.out
    assert table.read_text().splitlines()[1].startswith("training,rdn,9000,7200,")


@pytest.mark.parametrize("here", [True, False])
def test_a_demanded_gpu_is_measured_or_assumed(here, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    asked = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: here)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "card")
    monkeypatch.setattr(
        "smrestore.planning.stages.plan_run", lambda _, *rest: asked.append(rest) or ([], [])
    )
    demand = {**load_configuration([ROOT / "config.yaml"]), "accelerator": "gpu"}
    monkeypatch.setattr("smrestore.configuration.load_configuration", lambda _: demand)
    assert main(["plan"]) == 0
    assert asked == [("gpu", None) if here else ("cpu", "h100")]


def test_an_unknown_gpu_is_an_error(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["plan", "--gpu", "abacus"]) == 2
    assert "h100" in capsys.readouterr().err


@pytest.mark.slow
def test_all_stages_of_a_small_run_are_planned(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["plan", "config.yaml", "config/ci.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    stages = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert set(stages) >= {"simulation", "scans", "training", "fits", "reconstruction", "all"}
    assert all(float(values[1]) > 0 for values in stages.values())

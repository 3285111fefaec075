"""``smrestore plan``."""

from pathlib import Path

import pytest

from smrestore.cli import main

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


@pytest.mark.slow
def test_all_stages_of_a_small_run_are_planned(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["plan", "config.yaml", "config/ci.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    stages = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert set(stages) >= {"simulation", "scans", "training", "fits", "reconstruction", "all"}
    assert all(float(values[1]) > 0 for values in stages.values())

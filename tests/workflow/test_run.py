"""The whole study in small: everything is made, at the first try, and then nothing is left."""

import re

import h5py
import pandas as pd
import pytest
from plans import CI, pending
from safetensors.numpy import load_file

from checkout import snakemake
from smrestore.mdf import open_mdf, read_system_matrix

METHODS = ("dct-f", "dncnn", "dncnn-canonical")
EXPERIMENTS = METHODS[1:]
SCANS = ("empty-training", "empty-test", "snake-calibration", "snake-reference", "snake-phantom")


def test_everything_runs_at_the_first_try(first_run, finished):
    output = first_run[1].stdout
    done, announced = re.findall(r"(\d+) of (\d+) steps \(100%\) done", output)[-1]
    assert done == announced
    assert "Trying to restart" not in output
    assert "Error in rule" not in output


def test_second_run_has_nothing_to_do(finished):
    assert pending(finished) == set()


@pytest.mark.parametrize(
    "path",
    [
        "report.html",
        *(f"tables/table2.{ending}" for ending in ("csv", "md", "tex")),
        *(
            f"tables/{name}.{ending}"
            for name in ("transfer-snake", "claims", "calibration-time")
            for ending in ("csv", "md")
        ),
        *(f"figures/{f}.{ending}" for f in ("figure1", "figure3") for ending in ("pdf", "png")),
        *(f"models/{e}/curve.{ending}" for e in EXPERIMENTS for ending in ("pdf", "png")),
        *(f"models/{e}/{name}" for e in EXPERIMENTS for name in ("card.json", "history.csv")),
        *(f"evaluation/denoising-2d/{method}.csv" for method in METHODS),
        *(f"noise/{pool}.h5" for pool in ("training", "test")),
        *(f"reconstructions/snake/{v}.h5" for v in (*METHODS, "measured", "reference", "truth")),
    ],
)
def test_output_exists(finished, path):
    assert (finished / "results" / path).stat().st_size > 0


def test_tables_have_all_methods(finished):
    tables = finished / "results" / "tables"
    assert len(pd.read_csv(tables / "transfer-snake.csv")) == len(METHODS) + 3
    assert set(pd.read_csv(tables / "table2.csv")["method"]) == set(METHODS)


def test_claims_are_checked_as_far_as_the_run_goes(finished):
    claims = pd.read_csv(finished / "results/tables/claims.csv").set_index("claim")
    lead = claims.loc["denoising-2d-lead"]
    assert set(lead["better"]) == {"dncnn"}
    assert set(lead["verdict"]) <= {"supported", "not supported", "not decided"}
    assert claims.loc["ablation", "verdict"] == "not run"
    assert "transfer-denoising" in claims.index[claims["verdict"] != "not run"]


@pytest.mark.parametrize("scan", SCANS)
def test_scans_are_mdf(finished, scan):
    with open_mdf(finished / f"results/scans/{scan}.mdf") as file:
        assert (file.calibration is not None) == (scan in ("snake-calibration", "snake-reference"))


@pytest.mark.parametrize("method", METHODS)
def test_restored_scans_are_system_matrices(finished, method):
    path = finished / f"results/restored/snake/{method}.mdf"
    measured = read_system_matrix(finished / "results/scans/snake-calibration.mdf")
    assert read_system_matrix(path).shape == measured.shape
    with h5py.File(path) as file:
        assert file["/experiment/description"].asstr()[()].splitlines()[-1].startswith("restored")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_weights_are_readable_and_checkpoints_gone(finished, experiment):
    folder = finished / "results/models" / experiment
    assert load_file(folder / "weights.safetensors")
    assert not (folder / "checkpoints").exists()


def test_nothing_temporary_is_left(finished):
    hidden = {path.name for path in (finished / "results").rglob(".*")}
    assert hidden <= {".gitkeep"}


def test_logs_hold_no_traceback(finished):
    logs = list((finished / "results/logs").rglob("*.log"))
    assert logs
    assert not [log for log in logs if "Traceback" in log.read_text()]


def test_corrupted_scan_of_chosen_frequencies_runs(finished):
    path = "results/scans/nested-calibration.mdf"
    result = snakemake(finished, path, "--cores", "2", "--configfile", CI)
    assert result.returncode == 0, result.stdout[-20000:]
    with open_mdf(finished / path) as file:
        assert file.flags.frequency_selection
        assert file.calibration.is_meandering
        frequencies = file.frequency_indices
    with h5py.File(finished / path.replace(".mdf", ".truth.h5")) as truth:
        assert truth["corrupted"].shape == (4, 3)
        matrix = truth["system_matrix"]
        assert matrix.shape == (3, len(frequencies), 3, 3, 3)
        wrong, right = read_system_matrix(finished / path), matrix[()]
        scale = abs(right).max()
        for x, y, z in truth["corrupted"]:
            assert abs(wrong[:, :, x, y, z] - right[:, :, x, y, z]).max() > 0.01 * scale

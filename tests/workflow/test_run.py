"""The whole study in small: everything is made, at the first try, and then nothing is left."""

import re

import h5py
import numpy as np
import pandas as pd
import pytest
from plans import CI, pending
from safetensors.numpy import load_file

from checkout import ROOT
from smrestore.configuration import load_configuration
from smrestore.mdf import open_mdf, read_system_matrix

CONFIG = load_configuration([ROOT / "config.yaml", ROOT / CI])
EXPERIMENTS = tuple(CONFIG["experiments"])
CALIBRATIONS = {n for n, scan in CONFIG["scans"].items() if scan["kind"] == "calibration"}
REALIZATIONS = {s for m in CONFIG["measurements"].values() for s in m.get("realizations", [])}
SCANS = [n for n, scan in CONFIG["scans"].items() if "repeats" not in scan or n in REALIZATIONS]
RESTORED = [
    (name, method) for name, entry in CONFIG["measurements"].items() for method in entry["methods"]
]


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
        *(
            f"tables/{table}.{ending}"
            for table in CONFIG["tables"]
            for ending in ("csv", "md", "tex")
        ),
        *(f"tables/transfer-{m}.{end}" for m in CONFIG["measurements"] for end in ("csv", "md")),
        *(f"tables/{n}.{end}" for n in ("claims", "calibration-time") for end in ("csv", "md")),
        *(
            f"figures/{figure}.{ending}"
            for figure in CONFIG["figures"]
            for ending in ("pdf", "png")
        ),
        *(f"models/{e}/curve.{ending}" for e in EXPERIMENTS for ending in ("pdf", "png")),
        *(f"models/{e}/{name}" for e in EXPERIMENTS for name in ("card.json", "history.csv")),
        *(f"noise/{pool}.h5" for pool in CONFIG["noise_pools"]),
        *(f"reconstructions/{m}.{end}" for m in CONFIG["measurements"] for end in ("h5", "csv")),
    ],
)
def test_output_exists(finished, path):
    assert (finished / "results" / path).stat().st_size > 0


@pytest.mark.parametrize("table", CONFIG["tables"])
def test_tables_have_all_methods(finished, table):
    test_sets = (CONFIG["test_sets"][name] for name in CONFIG["tables"][table]["test_sets"])
    methods = {method for test_set in test_sets for method in test_set["methods"]}
    rows = pd.read_csv(finished / f"results/tables/{table}.csv")
    assert set(rows["method"]) == methods
    assert np.isfinite(rows["mean"]).all()


def test_claims_are_checked(finished):
    claims = pd.read_csv(finished / "results/tables/claims.csv").set_index("claim")
    lead = claims.loc["denoising-2d-lead"]
    assert set(lead["better"]) == {"dncnn-shipped", "rdn-shipped", "swinir-shipped"}
    assert set(claims["verdict"]) <= {"supported", "not supported", "not decided", "not run"}


@pytest.mark.parametrize("scan", SCANS)
def test_scans_are_mdf(finished, scan):
    with open_mdf(finished / f"results/scans/{scan}.mdf") as file:
        assert (file.calibration is not None) == (scan in CALIBRATIONS)


@pytest.mark.parametrize(("measurement", "method"), RESTORED)
def test_restored_scans_are_system_matrices(finished, measurement, method):
    path = finished / f"results/restored/{measurement}/{method}.mdf"
    entry = CONFIG["measurements"][measurement]
    truth = entry.get("truth", entry["calibration"])
    truth = CONFIG["scans"][truth].get("repeats", truth)
    measured = read_system_matrix(finished / f"results/scans/{entry['calibration']}.mdf")
    with h5py.File(finished / f"results/scans/{truth}.truth.h5") as file:
        size = file["system_matrix"].shape[2:]
    restored = read_system_matrix(path)
    assert restored.shape == (*measured.shape[:2], *size)
    assert np.isfinite(restored).all()
    with h5py.File(path) as file:
        assert file["/experiment/description"].asstr()[()].splitlines()[-1].startswith("restored")


@pytest.mark.parametrize("measurement", CONFIG["measurements"])
def test_every_system_matrix_is_reconstructed_with_and_scored(finished, measurement):
    entry = CONFIG["measurements"][measurement]
    scored = {"measured", *entry["methods"]} | ({"reference"} if entry["reference"] else set())
    path = finished / f"results/reconstructions/{measurement}.h5"
    with h5py.File(path) as file:
        assert {name for name in file if name != "rows"} == {*scored, "truth"}
    assert set(pd.read_csv(path.with_suffix(".csv"))["method"]) == scored


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


def test_corrupted_scan_holds_wrong_positions_and_chosen_frequencies(finished):
    path = "results/scans/nested-calibration.mdf"
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

"""Realizations and twin frequencies in the plan of a run."""

import pytest
from plans import CI, pending, rules, write_overlay

from checkout import ROOT
from smrestore.configuration import load_configuration

METHODS = load_configuration([ROOT / "config.yaml", ROOT / CI])["measurements"]["snake"]["methods"]
SCAN = "snake-calibration-b"
PANEL = {
    "title": "Denoising",
    "measurement": "snake",
    "test_set": "denoising-2d",
    "baseline": "dct-f",
}


@pytest.fixture(scope="module")
def jobs(empty_checkout, tmp_path_factory):
    """Jobs for the table of a measurement, that of twins, and the figure."""
    settings = {"figures": {"transfer": {"panels": [PANEL]}}}
    overlay = write_overlay(tmp_path_factory.mktemp("overlay") / "mine.yaml", settings)
    targets = [
        "results/tables/transfer-snake.md",
        "results/tables/twins.md",
        "results/figures/transfer.png",
    ]
    folder = tmp_path_factory.mktemp("transfer")
    return pending(
        empty_checkout,
        *targets,
        "--directory",
        folder,
        configfiles=[CI, overlay],
    )


def test_realizations_are_restored_reconstructed_and_scored(jobs):
    for scan in ("snake", f"snake/{SCAN}"):
        restored = {what for rule, what in jobs if rule in ("restore_scan", "restore_by_fit")}
        assert {f"{scan}/{method}" for method in METHODS} <= restored
        assert ("reconstruct_scan", scan) in jobs


def test_a_repeated_scan_is_not_simulated(jobs):
    assert ("repeat_calibration", SCAN) in jobs
    assert ("scan_calibration", SCAN) not in jobs


def test_twins_train_nothing_and_are_compared(jobs):
    # The network of the scan; the one that is tested with and without twins was trained before.
    trained = {name for rule, name in jobs if rule == "train_network"}
    assert trained == {"dncnn"}
    assert ("use_shipped_network", "unet") in jobs
    assert ("evaluate_method", "denoising-2d/twin-dct-f") in jobs
    assert {"make_twin_table", "plot_transfer", "make_transfer_table"} <= rules(jobs)

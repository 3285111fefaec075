"""Pools by formula and of needed frequencies, planned and run by the workflow."""

import h5py
import pandas as pd
import pytest
from plans import CI, pending, rules, write_overlay

from checkout import ROOT, snakemake
from smrestore.configuration import load_configuration

POOLS = {
    "white": {
        "model": "white",
        "sequence": "lissajous-xy",
        "frames": 150,
        "frequencies": "needed",
    },
    "drifting": {
        "model": "drift-white",
        "sequence": "lissajous-xy",
        "frames": 150,
        "drift": 10.0,
        "correlation_frames": 10.0,
    },
    "needed": {"scans": ["empty-test"], "background_level": "remove", "frequencies": "needed"},
    # The scan itself records the needed frequencies only.
    "recorded": {"scans": ["empty-needed"], "background_level": "remove"},
}


@pytest.fixture
def overlay(tmp_path):
    """A test set for each pool."""
    entry = load_configuration([ROOT / "config.yaml", ROOT / CI])["test_sets"]["denoising-2d"]
    entry |= {"components_per_matrix": 30, "methods": ["dct-f"]}
    test_sets = {f"denoising-{n}": {**entry, "noise_pool": n} for n in POOLS}
    empty = {
        "source": "virtual",
        "kind": "empty",
        "scanner": "virtual",
        "sequence": "lissajous-xy",
        "frames": 150,
        "frequencies": "needed",
    }
    settings = {"scans": {"empty-needed": empty}, "noise_pools": POOLS, "test_sets": test_sets}
    return write_overlay(tmp_path / "overlay.yaml", settings)


def test_needed_frequencies_come_from_the_matrices(empty_checkout, overlay, tmp_path):
    def plan(pool):
        target = f"results/noise/{pool}.h5"
        jobs = pending(empty_checkout, target, "--directory", tmp_path, configfiles=[CI, overlay])
        return rules(jobs)

    simulation = {"sample_parameters", "simulate_batch"}
    assert plan("white") == {"draw_noise_pool"} | simulation
    assert plan("drifting") == {"draw_noise_pool"}
    assert plan("needed") == {"build_noise_pool", "scan_empty"} | simulation
    assert plan("recorded") == {"build_noise_pool", "scan_empty"} | simulation
    assert plan("test") == {"build_noise_pool", "scan_empty"}


def test_one_entry_compares_measured_and_parametric_noise(empty_checkout, overlay, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    targets = [f"results/evaluation/denoising-{pool}/dct-f.csv" for pool in POOLS]
    options = ["--cores", "2", "--directory", folder, "--configfile", empty_checkout / CI, overlay]
    figures = ["results/noise/white.png", "results/noise/needed.png"]
    result = snakemake(empty_checkout, *targets, *figures, *options, timeout=300)
    assert result.returncode == 0, result.stdout[-20000:]
    tables = [pd.read_csv(folder / target) for target in targets]
    # Drift is smooth, as the signal is: a filter removes less of it.
    white, drifting, *_ = (table["psnr"].mean() for table in tables)
    assert white > drifting
    for name, table in zip(POOLS, tables, strict=True):
        if name in ("needed", "recorded"):
            with h5py.File(folder / f"results/noise/{name}.h5") as file:
                frequencies = file["frequency"][()]
                assert len(frequencies) < file.attrs["n_frequencies"] == 817
            assert {*table["frequency"]} <= {*frequencies.tolist()}

"""The prepared GPU run, in miniature on a CPU."""

import json
import os
import subprocess
import sys
import zipfile

import pandas as pd
import pytest

from checkout import ROOT
from smrestore.networks.weights import load_model


@pytest.mark.slow
def test_miniature_run_returns_tables_and_networks_that_load(tmp_path):
    out = tmp_path / "out"
    subprocess.run(
        [
            *(sys.executable, "benchmarks/gpu_run.py", "--small", "--out", str(out)),
            *("--minutes", "0.6", "--seconds", "1.5"),
        ],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT / "src")},
        check=True,
        timeout=120,
    )
    files = list(out.iterdir())
    assert len(files) <= 8
    assert all(file.stat().st_size < 2**24 for file in files)
    networks = {"unet-canonical", "dncnn", "rdn", "swinir"}
    assert set(json.loads((out / "timings.json").read_text())["networks"]) == networks
    assert {"dct-f", *networks} <= set(pd.read_csv(out / "table2.csv")["method"])
    for name in networks:
        with zipfile.ZipFile(out / f"{name}.zip") as archive:
            archive.extractall(tmp_path)
        _, card = load_model(tmp_path / name / "weights.safetensors")
        assert card["settings"]["steps"] >= 1

"""Trainings in processes of their own: killed, asked to stop, and shared between two."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from smrestore.support.workflow import INTERRUPTED

RECIPE = {
    "task": "denoising",
    "dimension": 2,
    "network": {"name": "dncnn", "features": 4, "depth": 3, "batch_norm": False},
    "phase": "raw",
    "training": {
        "patch": 12,
        "sigma": [0.0, 0.3],
        "sigma_convention": "complex",
        "scale": [0.5, 1.0],
        # After the last kill at row 8, seconds are left on a fast machine, too.
        "steps": 960,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "interval": 20,
        "validation_pairs": 8,
    },
}
SCRIPT = """
import json, sys
from pathlib import Path
from smrestore.training.run import train
from smrestore.training.settings import load_settings
from smrestore.support.workflow import job

data = json.loads(sys.argv[1])
folder = Path(data["folder"])
with job(folder / "log.txt"):
    train(
        settings=load_settings(data["recipe"]),
        training=[data["training"]],
        validation=[data["validation"]],
        noise_pool=data["pool"],
        seed=1,
        model=folder / "weights.safetensors",
        history=folder / "history.csv",
        checkpoints=folder / "checkpoints",
        accelerator="cpu",
        processes=data["processes"],
    )
"""


def start(world, folder: Path, processes: int = 1, **training) -> subprocess.Popen:
    """Start a training in a process of its own."""
    folder.mkdir(exist_ok=True)
    script = folder / "train.py"
    script.write_text(SCRIPT)
    data = {
        "recipe": {**RECIPE, "training": {**RECIPE["training"], **training}},
        "folder": str(folder),
        "training": str(world.training),
        "validation": str(world.validation),
        "pool": str(world.pool),
        "processes": processes,
    }
    return subprocess.Popen(
        [sys.executable, str(script), json.dumps(data)],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )


def wait_for_rows(process: subprocess.Popen, history: Path, count: int) -> None:
    """Wait until the history has so many rows."""
    deadline = time.monotonic() + 600
    while not history.exists() or history.read_text().count("\n") <= count:
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_training_killed_three_times_ends_with_the_same_weights(world, tmp_path):
    whole = start(world, tmp_path / "whole")
    parts = tmp_path / "parts"
    history = parts / "history.csv"
    rng = np.random.default_rng(3)
    for rows, number in ((2, signal.SIGKILL), (5, signal.SIGTERM), (8, signal.SIGKILL)):
        process = start(world, parts)
        wait_for_rows(process, history, rows)
        time.sleep(rng.uniform(0, 0.2))
        process.send_signal(number)
        error = process.communicate()[1].decode()
        if number == signal.SIGTERM:
            assert process.returncode == INTERRUPTED, error
            assert "stopped by SIGTERM after" in error
        else:
            assert process.returncode == -signal.SIGKILL, error
        assert not (parts / "weights.safetensors").exists()
    process = start(world, parts)
    error = process.communicate()[1].decode()
    assert process.returncode == 0, error
    assert "resuming after step" in error
    error = whole.communicate()[1].decode()
    assert whole.returncode == 0, error
    for name in ("weights", "best"):
        one, other = (
            (tmp_path / run / f"{name}.safetensors").read_bytes() for run in ("whole", "parts")
        )
        assert one == other
    histories = [pd.read_csv(tmp_path / run / "history.csv") for run in ("whole", "parts")]
    pd.testing.assert_frame_equal(*(table.drop(columns="elapsed_s") for table in histories))
    assert not (parts / "checkpoints").exists()


def test_two_processes_train_as_one(world, tmp_path):
    runs = {n: start(world, tmp_path / str(n), n, steps=8, interval=4) for n in (1, 2)}
    for process in runs.values():
        error = process.communicate()[1].decode()
        assert process.returncode == 0, error
    one, two = (load_file(tmp_path / f"{n}/weights.safetensors") for n in runs)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-6)
    tables = [pd.read_csv(tmp_path / f"{n}/history.csv").drop(columns="elapsed_s") for n in runs]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4)
    assert pytest.approx(tables[0]["step"]) == [4, 8]

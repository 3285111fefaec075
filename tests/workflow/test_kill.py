"""A training that is killed without warning."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
from plans import CI, write_overlay

from checkout import environment, snakemake

MODEL = "results/models/dncnn/weights.safetensors"
STEPS, INTERVAL = 160, 20


def _copy(finished: Path, target: Path) -> Path:
    return shutil.copytree(finished, target, symlinks=True)


def _run_until_checkpoint(checkout: Path, arguments: list[str]) -> None:
    """Start Snakemake and kill it with all its jobs as soon as there is a checkpoint."""
    checkpoints = checkout / Path(MODEL).parent / "checkpoints"
    with (checkout / "killed.log").open("w") as log:
        process = subprocess.Popen(
            ["snakemake", *arguments],
            cwd=checkout,
            env=environment(checkout),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 300
    while not any(checkpoints.glob("*.ckpt")):
        assert process.poll() is None, (checkout / "killed.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_training_resumes_bit_for_bit(finished, tmp_path):
    training = {"steps": STEPS, "interval": INTERVAL}
    overlay = write_overlay(
        tmp_path / "overlay.yaml",
        {"accelerator": "cpu", "experiments": {"dncnn": {"training": training}}},
    )
    arguments = [MODEL, "--cores", "2", "--configfile", CI, str(overlay)]

    killed = _copy(finished, tmp_path / "killed")
    _run_until_checkpoint(killed, arguments)
    log = killed / "results/logs/training/dncnn.log"
    assert f"step {INTERVAL} of {STEPS}" in log.read_text()
    assert f"step {STEPS} of {STEPS}" not in log.read_text()
    assert snakemake(killed, "--unlock", *arguments).returncode == 0
    result = snakemake(killed, *arguments)
    assert result.returncode == 0, result.stdout[-20000:]
    assert "resuming" in log.read_text()

    whole = _copy(finished, tmp_path / "whole")
    result = snakemake(whole, *arguments)
    assert result.returncode == 0, result.stdout[-20000:]
    assert "resuming" not in (whole / "results/logs/training/dncnn.log").read_text()

    assert (killed / MODEL).read_bytes() == (whole / MODEL).read_bytes()
    histories = [
        pd.read_csv((checkout / MODEL).with_name("history.csv")).drop(columns="elapsed_s")
        for checkout in (killed, whole)
    ]
    pd.testing.assert_frame_equal(*histories)
    assert list(histories[0]["step"]) == list(range(INTERVAL, STEPS + 1, INTERVAL))
    assert not (killed / MODEL).with_name("checkpoints").exists()

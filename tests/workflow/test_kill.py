"""A training that is killed without warning, or asked to stop."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from plans import CI, write_overlay

from checkout import environment, snakemake

MODEL = "results/models/dncnn/weights.safetensors"
LOG = "results/logs/training/dncnn.log"
# Long enough that a signal finds it under way, wherever the machine is busy.
STEPS, INTERVAL = 600, 20


def _copy(finished: Path, target: Path) -> Path:
    return shutil.copytree(finished, target, symlinks=True)


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    training = {"steps": STEPS, "interval": INTERVAL}
    overlay = write_overlay(
        tmp_path_factory.mktemp("overlay") / "overlay.yaml",
        {"accelerator": "cpu", "experiments": {"dncnn": {"training": training}}},
    )
    return [MODEL, "--cores", "2", "--configfile", CI, str(overlay)]


@pytest.fixture(scope="module")
def whole(finished: Path, arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with a training that nothing has interrupted."""
    checkout = _copy(finished, tmp_path_factory.mktemp("whole") / "checkout")
    result = snakemake(checkout, *arguments)
    assert result.returncode == 0, result.stdout[-20000:]
    assert "resuming" not in (checkout / LOG).read_text()
    return checkout


def _run_until_checkpoint(checkout: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    """Start Snakemake and return it as soon as there is a checkpoint, and the log says so."""
    checkpoints, log_file = checkout / Path(MODEL).parent / "checkpoints", checkout / LOG

    def is_under_way() -> bool:
        # A moment passes between the checkpoint and its line.
        logged = log_file.exists() and f"step {INTERVAL} of {STEPS}" in log_file.read_text()
        return logged and any(checkpoints.glob("*.ckpt"))

    with (checkout / "interrupted.log").open("w") as log:
        process = subprocess.Popen(
            ["snakemake", *arguments],
            cwd=checkout,
            env=environment(checkout),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 300
    while not is_under_way():
        assert process.poll() is None, (checkout / "interrupted.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def _assert_same_training(resumed: Path, whole: Path) -> None:
    assert "resuming" in (resumed / LOG).read_text()
    assert (resumed / MODEL).read_bytes() == (whole / MODEL).read_bytes()
    histories = [
        pd.read_csv((checkout / MODEL).with_name("history.csv")).drop(columns="elapsed_s")
        for checkout in (resumed, whole)
    ]
    pd.testing.assert_frame_equal(*histories)
    assert list(histories[0]["step"]) == list(range(INTERVAL, STEPS + 1, INTERVAL))
    assert not (resumed / MODEL).with_name("checkpoints").exists()


def test_killed_training_resumes_bit_for_bit(finished, whole, arguments, tmp_path):
    killed = _copy(finished, tmp_path / "killed")
    process = _run_until_checkpoint(killed, arguments)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    log = killed / LOG
    assert f"step {INTERVAL} of {STEPS}" in log.read_text()
    assert f"step {STEPS} of {STEPS}" not in log.read_text()
    result = snakemake(killed, *arguments)
    assert result.returncode == 0, result.stdout[-20000:]
    _assert_same_training(killed, whole)


def test_training_that_is_asked_to_stop_is_tried_again(finished, whole, arguments, tmp_path):
    """As at a time limit of Slurm, which sends the signal to the script alone."""
    asked = _copy(finished, tmp_path / "asked")
    process = _run_until_checkpoint(asked, ["--retries", "1", *arguments])
    scripts = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if any("train_network.py" in word for word in child.cmdline()) and not child.children()
    ]
    assert len(scripts) == 1
    scripts[0].send_signal(signal.SIGTERM)
    printed = asked / "interrupted.log"
    assert process.wait(timeout=300) == 0, printed.read_text()[-20000:]
    # Snakemake removes the log of a job that it tries again.
    assert "stopped by SIGTERM" in printed.read_text()
    _assert_same_training(asked, whole)

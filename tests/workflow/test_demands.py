"""What a run demands in vain is found before its first job, by a Slurm that says what it has."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from plans import CI, write_overlay

from checkout import environment

MODEL = "results/models/dncnn/weights.safetensors"
TRAINING = "train_network:"

# Slurm's sbatch would take the jobs; here, it leaves a trace.
SBATCH = "#!/bin/sh\necho submitted >> {trace}\nexit 1\n"
SINFO = "#!/bin/sh\ncase \"$*\" in *noheader*) printf '{lines}';; *) echo 'PARTITION';; esac\n"

HIDE_PLUGIN = """\
import pkgutil, sys
modules = pkgutil.iter_modules
hidden = "snakemake_executor_plugin_slurm"
pkgutil.iter_modules = lambda *a, **k: (m for m in modules(*a, **k) if m.name != hidden)
from snakemake.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def run(empty_checkout, tmp_path):
    """Return a function that runs Snakemake with partitions, and returns what it says."""

    def run(*arguments: str | Path, partitions: str = "main*|infinite|gpu:1\\n") -> str:
        programs = tmp_path / "bin"
        programs.mkdir()
        for name, text in (
            ("sbatch", SBATCH.format(trace=tmp_path / "trace")),
            ("sinfo", SINFO.format(lines=partitions)),
        ):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        folder = tmp_path / "folder"
        folder.mkdir()
        env = environment(empty_checkout)
        env["PATH"] = f"{programs}:{env['PATH']}"
        result = subprocess.run(
            ["snakemake", MODEL, "--cores", "2", "--directory", folder, *map(str, arguments)],
            cwd=empty_checkout,
            env=env | {"CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert result.returncode != 0
        assert "Traceback" not in result.stdout
        assert not (tmp_path / "trace").exists()
        assert not (folder / "results").exists()
        return result.stdout

    return run


SLURM = ["--profile", "slurm", "--configfile", CI]


@pytest.mark.parametrize(
    ("arguments", "partitions", "said"),
    [
        (
            ["--default-resources", "slurm_partition=nosuch"],
            "main*|infinite|gpu:1\\n",
            "slurm_partition: there is no partition 'nosuch' on this cluster, but main. Name one",
        ),
        (
            [],
            "main*|infinite|(null)\\n",
            f"{TRAINING} gpu: a GPU is demanded, but there is none in partition main. No partition "
            "has any: set gpu: 0 for train_network, to compute on CPUs, in set-resources",
        ),
        (
            [],
            "main*|1:00:00|gpu:1\\n",
            "runtime: 120 min are more than the 60 min that partition main allows",
        ),
        (
            [
                "--set-resources",
                "train_network:runtime=5",
                "train_network:slurm_extra='--signal=TERM@300'",
            ],
            "main*|infinite|gpu:1\\n",
            f"{TRAINING} runtime: the time limit of 5 min is too short: the job is asked to stop "
            "5 min before, when it has hardly started. Give at least 7 min",
        ),
    ],
    ids=["partition", "gpu", "beyond-the-partition", "before-the-warning"],
)
def test_what_slurm_cannot_do_is_named_before_anything_is_submitted(
    run, arguments, partitions, said
):
    assert said in run(*SLURM, *arguments, partitions=partitions)


def test_gpu_that_is_demanded_but_missing_is_named_before_simulations(run, tmp_path):
    overlay = write_overlay(tmp_path / "gpu.yaml", {"accelerator": "gpu"})
    output = run("--configfile", CI, overlay)
    assert "accelerator: a GPU is demanded, but PyTorch sees none" in output


def test_missing_executor_plugin_is_named(empty_checkout):
    result = subprocess.run(
        [sys.executable, "-c", HIDE_PLUGIN, "--cores", "all", "--profile", "slurm"],
        cwd=empty_checkout,
        env=environment(empty_checkout),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode != 0
    said = "argument --executor/-e: invalid choice: 'slurm'"
    assert said in result.stderr
    # Snakemake says it before it reads the Snakefile, so the remedy is in the documentation.
    assert said in (empty_checkout / "docs/cluster.md").read_text()


def test_one_network_can_have_two_gpus(empty_checkout, tmp_path):
    """As docs/cluster.md says of SwinIR."""
    setting = "gpu=2 if wildcards.experiment == 'swinir' else 1"
    assert setting.partition("=")[2] in (empty_checkout / "docs/cluster.md").read_text()
    models = [f"results/models/{name}/weights.safetensors" for name in ("swinir", "dncnn")]
    result = subprocess.run(
        [
            *("snakemake", *models, "--dry-run", "--cores", "2", "--directory", tmp_path),
            *("--configfile", "config/paper.yaml", "--set-resources", f"train_network:{setting}"),
        ],
        cwd=empty_checkout,
        env=environment(empty_checkout),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    pattern = r"wildcards: experiment=(\w+)\n.*?resources: [^\n]*?gpu=(\d)"
    gpus = dict(re.findall(pattern, result.stdout + result.stderr, re.DOTALL))
    assert gpus == {"swinir": "2", "dncnn": "1"}

"""What a job costs before its work begins: Python, libraries and compiled functions."""

import functools
import os
import subprocess
import sys
from dataclasses import dataclass

from smrestore.support.errors import InputError

CLASSICAL = ("smrestore.evaluation.scores", "smrestore.methods.classical")
NETWORKS = ("smrestore.evaluation.scores", "smrestore.methods.network")
MODULES = {
    "parameters": ("smrestore.physics.parameters",),
    "simulation": ("smrestore.simulation.batches",),
    "scans": ("smrestore.scanner", "smrestore.noise.build"),
    "noise": ("smrestore.noise.build",),
    "training": ("smrestore.training.run",),
    "fits": ("smrestore.restoration.modelled",),
    "reconstruction": (
        "smrestore.evaluation.transfer.images",
        "smrestore.evaluation.transfer.components",
    ),
    "figures": ("smrestore.figures.measurement.drawing",),
}
"""What the scripts of each stage import."""
SIMULATES = ("simulation", "scans", "fits")
"""Stages that load the compiled functions of the simulation."""
_SNAKEMAKE = """
import contextlib
with contextlib.suppress(ImportError):
    import snakemake.script
"""
"""What Snakemake puts before a script, if it is installed."""
_SIMULATE = """
import numpy
from smrestore.physics.spectrum import component_values, Components
from smrestore.physics.parameters import SizeLimits, draw_cases, simulation_of
limits = SizeLimits((8, 16))
for case in draw_cases(4, seed=1, dataset="", split="", dimension=2, limits=limits):
    simulation = simulation_of(case)
    component_values(simulation, Components.all_of(simulation), numpy.zeros((8, 3)))
"""
"""Also makes the tables of fluid and of immobilized particles."""


@dataclass(frozen=True)
class Start:
    """Processor time in s and resident memory in bytes."""

    seconds: float
    memory: float


def start_of(stage: str) -> Start:
    """Return what a job of a stage costs before its work."""
    return _start(MODULES[stage], stage in SIMULATES)


def start_of_method(learned: bool) -> Start:
    """Return the same of a job that applies a classical method, or a network."""
    return _start(NETWORKS if learned else CLASSICAL, False)


@functools.cache
def _start(modules: tuple[str, ...], simulates: bool) -> Start:
    """Return a start; where functions may be compiled at first, the cheaper one of two."""
    starts = [_once(modules, simulates) for _ in range(2 if simulates else 1)]
    return min(starts, key=lambda start: start.seconds)


_MEMORY = """
import pathlib, resource
status = pathlib.Path("/proc/self/status")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if status.exists():
    # Of this program alone; the other one counts what started it.
    peak = status.read_text().split("VmHWM:")[1].split()[0]
print(peak)
"""


def _once(modules: tuple[str, ...], simulates: bool) -> Start:
    imports = [f"import {module}" for module in modules]
    code = "\n".join([_SNAKEMAKE, *imports, _SIMULATE * simulates, _MEMORY])
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    output, message = (stream.read().decode(errors="replace") for stream in
                       (process.stdout, process.stderr))  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    if process.returncode:
        lines = message.strip().splitlines() or ["it was killed"]
        raise InputError(
            f"a job cannot start: {lines[-1]}",
            field=", ".join(modules),
            remedy="install all parts of smrestore (docs/install.md)",
        )
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Start(usage.ru_utime + usage.ru_stime, int(output) * unit)

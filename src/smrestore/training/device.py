"""Where a training runs: device, number of processes, precision, and lack of memory."""

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Iterator

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.plugins.precision import MixedPrecision

from smrestore.support.errors import InputError
from smrestore.training.settings import TrainingSettings

_NO_MEMORY = re.compile("not enough memory|can't allocate memory|out of memory", re.IGNORECASE)


class InnerPrecision(MixedPrecision):
    """Mixed precision inside the network only.

    The input keeps its precision, because most networks add their result to it.
    """

    def convert_input(self, data: object) -> object:
        """Return the input as it is."""
        return data


def choose_accelerator(demand: str) -> str:
    """Return ``gpu`` or ``cpu``; the demand is auto, gpu or cpu.

    Raises
    ------
    InputError
        If a GPU is demanded and none is visible.
    """
    if demand == "auto":
        return "gpu" if torch.cuda.is_available() else "cpu"
    if demand == "gpu" and not torch.cuda.is_available():
        raise InputError(
            "a GPU is demanded, but PyTorch sees none",
            field="accelerator",
            remedy="request one from the cluster, or set the accelerator to auto or cpu",
        )
    return demand


def requested_gpus(gpu: int, gres: str) -> int:
    """Return the number of GPUs of a job, from its resources ``gpu`` or ``gres: gpu:a100:2``."""
    match = re.search(r"gpu(?::[^:,]*[^:,\d][^:,]*)?(?::(\d+))?(?:,|$)", gres)
    return max(1, gpu, int(match[1] or 1) if match else 0)


def input_processes(accelerator: str, threads: int) -> int:
    """Return how many processes make samples. A CPU has none, as it trains with all its threads."""
    return 0 if accelerator == "cpu" else max(1, threads - 1)


def choose_precision(demand: str, accelerator: str) -> str:
    """Return ``float32``, ``bf16`` or ``fp16``; the demand may also be ``auto``.

    Raises
    ------
    InputError
        If fp16 is demanded of a CPU.
    """
    if demand == "auto":
        if accelerator == "cpu":
            return "float32"
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if demand == "fp16" and accelerator == "cpu":
        raise InputError(
            "CPUs do not train in fp16", field="precision", remedy="use auto, float32 or bf16"
        )
    return demand


def make_fabric(settings: TrainingSettings, accelerator: str, devices: int) -> Fabric:
    """Return the Fabric that runs the network on the devices, with one process for each.

    The running program is started once more for each further device. Each draws its share of each
    step, so the result does not depend on the number of devices. Two things differ: rounding, and
    batch normalization, whose statistics are those of the share of one device.

    Raises
    ------
    InputError
        If there are too few GPUs, or a step cannot be divided among the devices.
    """
    if accelerator == "gpu" and devices > torch.cuda.device_count():
        raise InputError(
            f"{devices} GPUs are demanded, PyTorch sees {torch.cuda.device_count()}",
            field="gpu",
            remedy="request as many from the cluster as the resources of train_network say",
        )
    parts = devices * settings.accumulate
    if settings.batch_size % parts:
        raise InputError(
            f"{settings.batch_size} samples cannot be divided into {parts} equal parts, for "
            f"{devices} device(s) and accumulate {settings.accumulate}",
            field="batch_size",
            remedy=f"give a multiple of {parts}",
        )
    # Libraries announce what they deprecate among themselves, and settings that precision covers.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*(`srun` command|LeafSpec|many workers)")
    device = "cuda" if accelerator == "gpu" else "cpu"
    # Snakemake runs the process; a Slurm job's environment is not for us to interpret.
    plugins: list = [LightningEnvironment()]
    precision = choose_precision(settings.precision, accelerator)
    if precision != "float32":
        plugins.append(InnerPrecision(f"{precision.removeprefix('fp')}-mixed", device))
    strategy = "ddp" if devices > 1 else "auto"
    return Fabric(accelerator=device, devices=devices, strategy=strategy, plugins=plugins)


@contextlib.contextmanager
def algorithms(deterministic: bool) -> Iterator[None]:
    """Choose between the fastest algorithms and those that always give the same result."""
    former = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(former[0])
        torch.backends.cudnn.benchmark = former[1]


@contextlib.contextmanager
def memory_errors(settings: TrainingSettings, what: str) -> Iterator[None]:
    """Turn a lack of memory, on GPU or CPU, into an error that says what to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not _NO_MEMORY.search(
            str(error)
        ):
            raise
        raise InputError(
            f"the memory does not hold {what} ({str(error).splitlines()[0] or 'no memory'})",
            field="training",
            remedy=_memory_remedy(settings, what),
        ) from error


def _memory_remedy(settings: TrainingSettings, what: str) -> str:
    if "step" not in what:
        return "make the network smaller, or use a device with more memory"
    if settings.batch_size == 1:
        return "make network or patch smaller, or use a device with more memory"
    half = settings.batch_size // 2
    if settings.batch_size % (2 * settings.accumulate):
        return f"set batch_size to {half}, or use a device with more memory"
    return (
        f"set accumulate to {2 * settings.accumulate}, which gives the same result in less memory, "
        f"or batch_size to {half}"
    )

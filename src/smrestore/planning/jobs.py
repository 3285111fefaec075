"""Jobs with what they cost, and how processor time is measured."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

STAGES = (
    "parameters",
    "simulation",
    "scans",
    "noise",
    "training",
    "evaluation",
    "fits",
    "restoration",
    "reconstruction",
    "positions",
    "figures",
)
"""In the order of the data flow, with the names of the folders of benchmark files. Figures include
tables and the report."""

QUICK = 0.3
"""Seconds of work that is measured again."""


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes
    ----------
    stage, name
        Its benchmark file is ``benchmarks/{stage}/{name}.jsonl``, if it has one.
    seconds
        Processor time, all cores together.
    gpu_seconds
        Time on a GPU.
    memory
        Largest resident memory in bytes.
    disk
        Size of its outputs in bytes.
    rule
        Its rule, where a stage has several.
    """

    stage: str
    name: str
    seconds: float
    gpu_seconds: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    rule: str = ""


@dataclass(eq=False)
class Bench:
    """Where and for what kernels are measured.

    Attributes
    ----------
    config
        The complete configuration.
    folder
        An empty folder for samples.
    accelerator
        ``gpu`` or ``cpu``, what trainings run on.
    gpu
        The card if that is not here, and its speed is assumed: see :mod:`smrestore.planning.gpus`.
    strong
        Frequencies that the components of a dataset are drawn from, about, by dataset.
    notes
        What the plan leaves out, for readers.
    """

    config: dict
    folder: Path
    accelerator: str = "cpu"
    gpu: str | None = None
    strong: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def on_gpu(self) -> bool:
        """Whether trainings run on a GPU, here or elsewhere."""
        return self.accelerator == "gpu" or self.gpu is not None

    def note(self, text: str) -> None:
        """Add a line for readers, once."""
        if text not in self.notes:
            self.notes.append(text)


def cpu_seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the processor time of this process for some work, the least of some repeats, in s.

    Other programs on the machine disturb it less than the time that passes.
    """
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def steady_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of some work, which is repeated if that is quick.

    What other programs leave of the caches makes a short time uncertain by a factor of two.
    """
    first = cpu_seconds(work)
    return first if first > QUICK else min(first, cpu_seconds(work, repeats=3))


def per_item(
    work: Callable[[int], object],
    few: int,
    many: int,
    seconds: Callable[[Callable[[], object]], float] = cpu_seconds,
) -> float:
    """Return the time that each further item adds to some work, in s."""
    work(few)
    least, most = (seconds(lambda n=n: work(n)) for n in (few, many))
    return max(most - least, 0.0) / (many - few)


def evenly(items: Iterable, count: int) -> list:
    """Return at most ``count`` items, from the middles of as many equal parts."""
    items = list(items)
    if len(items) <= count:
        return items
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]

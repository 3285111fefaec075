"""Methods that restore component by component, on test sets and on scans."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from smrestore import mdf
from smrestore.evaluation.scores import EvaluationSet, evaluate
from smrestore.evaluation.transfer.rows import load_reconstruction_settings, scored_rows
from smrestore.methods import Method, load_method
from smrestore.networks.cards import shipped_weights
from smrestore.planning.jobs import Bench, Job, cpu_seconds, per_item
from smrestore.planning.networks import Forwards, StandIn, seconds_with
from smrestore.planning.samples import sample_of
from smrestore.planning.scans import SmallScan
from smrestore.planning.simulation import CASES, cases_of
from smrestore.planning.start import start_of_method
from smrestore.planning.training import model_path
from smrestore.restoration.plan import MEMORY_BYTES
from smrestore.restoration.scan import restore_components, restore_scan
from smrestore.tasks.scan import ScanTask, scan_task
from smrestore.training.settings import load_settings

WORKSPACE = 300 * 2**20
"""What a network takes beyond its import for the tiles of a batch, about."""
COMPONENTS = 2, 10
"""Components of a sample that are restored, few and more."""
PER_MATRIX = 1, 5
"""The same of each matrix of a test set."""


@dataclass(frozen=True)
class Named:
    """A method of the configuration. Its networks have stand-ins, as their time is known.

    Attributes
    ----------
    method
        What restores components.
    twins
        Whether it is applied to the mean of twins.
    networks
        The stand-ins, each with what its time depends on.
    forwards
        What knows their times.
    """

    method: Method
    twins: bool
    networks: tuple[tuple[str, StandIn], ...]
    forwards: Forwards

    @property
    def learned(self) -> bool:
        """Whether a network takes part."""
        return bool(self.networks)

    def seconds(self, work: Callable[[], object]) -> float:
        """Return the processor time of work with the method, as if its networks took part."""
        return seconds_with(work, self.networks, self.forwards)


class Methods:
    """All methods of a configuration, each loaded once; experiments have untrained weights."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._forwards = Forwards()
        self._known: dict[str, Named] = {}

    def named(self, name: str) -> Named:
        """Return a method by its name."""
        if name not in self._known:
            self._known[name] = self._load(name)
        return self._known[name]

    def _load(self, name: str) -> Named:
        config = self.bench.config
        twins, denoised = config["twin_methods"], config["denoised_methods"]
        single = {**twins, **denoised}.get(name, {"of": name})["of"]
        baseline = config["baselines"].get(single)
        denoiser = denoised[name]["denoiser"] if name in denoised else None
        method = load_method(
            baseline and {key: value for key, value in baseline.items() if key != "label"},
            None if baseline else self._weights(single),
            inference=None if baseline else self._inference(single),
            denoiser=denoiser and self._weights(denoiser),
            denoising=denoiser and self._inference(denoiser),
        )
        learned = {}
        if denoiser is not None:
            learned[denoiser] = method.denoiser
        if baseline is None:
            learned[single] = method if denoiser is None else method.method
        for each in learned.values():
            each.network = StandIn(each.network)
        networks = tuple((self._kind(key), each.network) for key, each in learned.items())
        return Named(method, name in twins, networks, self._forwards)

    def _weights(self, network: str) -> object:
        shipped = self.bench.config["shipped_networks"]
        if network in shipped:
            return shipped_weights(shipped[network]["weights"])
        return model_path(self.bench, network)

    def _inference(self, network: str) -> dict:
        config = self.bench.config
        return {**config["experiments"], **config["shipped_networks"]}[network]["inference"]

    def _kind(self, network: str) -> str:
        """Return what the time of a network depends on, but for the images."""
        entry = self.bench.config["experiments"].get(network)
        if entry is None:
            return network
        settings = load_settings(entry)
        return f"{settings.dimension} {settings.network.plain()}"


def plan_evaluation(methods: Methods, test_set: str, method: str) -> Job:
    """Return the job that evaluates a method on a test set."""
    bench = methods.bench
    config = bench.config
    entry = config["test_sets"][test_set]
    dataset = config["datasets"][entry["dataset"]]
    used = methods.named(method)
    sample = sample_of(bench, entry["dataset"], "test")
    path = bench.folder / "evaluation.csv"

    def run(per_matrix: int) -> None:
        evaluate(
            EvaluationSet(
                test_set,
                entry["task"],
                per_matrix,
                tuple(entry["sigma"])[-1:],
                entry["sigma_convention"],
                degradation=entry["degradation"],
            ),
            used.method,
            method,
            matrices=[sample.store],
            noise_pool=sample.pool,
            seed=config["seed"],
            path=path,
            twins=used.twins,
        )

    each = per_item(run, *PER_MATRIX, used.seconds) / len(sample.cases)
    cases = cases_of(config, entry["dataset"], "test", CASES)
    state = entry.get("particle_state")
    share = sum(state in (None, case["particle_state"]) for case in cases) / len(cases)
    count = share * dataset["matrices"]["test"] * len(entry["sigma"])
    count *= min(entry["components_per_matrix"], dataset["components"]["maximum"])
    start = start_of_method(used.learned)
    return Job(
        "evaluation",
        f"{test_set}/{method}",
        start.seconds + count * each,
        memory=start.memory + WORKSPACE * used.learned,
        disk=200.0 * count,
    )


class Restorations:
    """Restorations by methods; what a component takes is measured once for each kind."""

    def __init__(self, methods: Methods) -> None:
        self.methods, self.bench = methods, methods.bench
        self._each: dict[tuple, float] = {}
        self._around: dict[tuple, tuple[float, int]] = {}

    def plan(self, name: str, measurement: dict, users: list[dict], method: str,
             small: SmallScan) -> Job:  # fmt: skip
        """Return the job that restores the calibration of a measurement with a method.

        ``name`` is that of the measurement or of a realization, ``users`` the reconstruction
        settings that decide on the components to restore.
        """
        used = self.methods.named(method)
        around, count = self._reading(name, measurement, users, small)
        size = restored_size(measurement, small.grid.size)
        each = self._per_component(measurement, method, used, small.grid.size, size)
        start = start_of_method(used.learned)
        voxels = math.prod(size)
        rows = small.frame_bytes * voxels
        return Job(
            "restoration",
            f"{name}/{method}",
            start.seconds + around * small.share + count * each,
            memory=start.memory + WORKSPACE * used.learned + min(2 * rows, MEMORY_BYTES),
            disk=rows,
            rule="restore_scan",
        )

    def _reading(
        self, name: str, measurement: dict, users: list[dict], small: SmallScan
    ) -> tuple[float, int]:
        """Return the time that reading and writing take, and the number of components."""
        everything = measurement.get("restore") == "all" and "/" not in name
        key = str(small.path), str(users), everything
        if key not in self._around:
            settings = [load_reconstruction_settings(entry) for entry in users]
            rows: list[np.ndarray] = []

            def read() -> None:
                rows[:] = [scored_rows(small.path, s).chosen for s in settings]
                restore_scan(
                    small.path,
                    self.bench.folder / "restored.mdf",
                    lambda batch: [item.image for item in batch],
                    name="plan",
                    chosen=None if everything else np.concatenate(rows),
                )

            read()
            seconds = cpu_seconds(read)
            count = len(np.unique(np.concatenate(rows), axis=0))
            if everything:
                count = _components_in(small)
            self._around[key] = seconds, count
        return self._around[key]

    def _per_component(
        self,
        measurement: dict,
        method: str,
        used: Named,
        measured: tuple[int, int, int],
        restored: tuple[int, int, int],
    ) -> float:
        key = method, measurement["task"], measured, restored
        if key not in self._each:
            task = _task(measurement, measured)
            rng = np.random.default_rng(self.bench.config["seed"])
            images = rng.normal(size=(COMPONENTS[1], *measured, 2)).astype(np.float32)
            images = images.view(np.complex64)[..., 0]
            noise = np.full(len(images), 0.1)
            self._each[key] = per_item(
                partial(_restore, images, noise, used.method, task, restored),
                *COMPONENTS,
                used.seconds,
            )
        return self._each[key]


def _restore(
    images: np.ndarray,
    noise: np.ndarray,
    method: Method,
    task: ScanTask,
    size: tuple[int, int, int],
    count: int,
) -> None:
    restore_components(images[:count], noise[:count], method, task, size=size)


def _components_in(small: SmallScan) -> int:
    with mdf.open_mdf(small.path) as file:
        return file.acquisition.n_channels * len(file.frequency_indices)


def restored_size(measurement: dict, measured: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the voxels of a restored calibration."""
    if measurement["task"] in ("denoising", "inpainting") or measurement.get("decimate"):
        return measured
    return tuple(measurement["factor"] * (n - 1) + 1 for n in measured)


def _task(measurement: dict, size: tuple[int, int, int]) -> ScanTask:
    """Return the task of a measurement; as many voxels are missing as in the run, or a tenth."""
    missing = None
    if measurement["task"] == "inpainting":
        given = measurement.get("missing", {})
        n = math.prod(size)
        count = given["run"][1] if "run" in given else len(given.get("indices", range(n // 10)))
        missing = np.zeros(size, bool)
        missing.ravel()[: max(1, min(count, n - 1))] = True
    return scan_task(
        measurement["task"],
        factor=measurement.get("factor"),
        decimate=measurement.get("decimate", False),
        missing=missing,
    )

"""Methods that restore component by component, on test sets and on scans."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from smrestore import mdf
from smrestore.evaluation.scores import EvaluationSet, evaluate
from smrestore.evaluation.transfer.rows import load_reconstruction_settings, scored_rows
from smrestore.methods import Method, load_method
from smrestore.networks.cards import shipped_weights
from smrestore.planning.jobs import Bench, Job, cpu_seconds, per_item
from smrestore.planning.samples import sample_of
from smrestore.planning.scans import SmallScan
from smrestore.planning.simulation import CASES, cases_of
from smrestore.planning.start import start_of_method
from smrestore.planning.training import model_path
from smrestore.restoration.plan import MEMORY_BYTES
from smrestore.restoration.scan import restore_components, restore_scan
from smrestore.tasks.scan import ScanTask, scan_task

WORKSPACE = 300 * 2**20
"""What a network takes beyond its import for the tiles of a batch, about."""
COMPONENTS = 2, 10
"""Components of a sample that are restored, few and more."""
PER_MATRIX = 1, 5
"""The same of each matrix of a test set."""


@dataclass(frozen=True)
class Named:
    """A method of the configuration.

    Attributes
    ----------
    method
        What restores components.
    twins
        Whether it is applied to the mean of twins.
    learned
        Whether a network takes part.
    """

    method: Method
    twins: bool
    learned: bool


def method_of(bench: Bench, name: str) -> Named:
    """Return a method by its name; experiments have untrained weights."""
    config = bench.config
    twins, denoised = config["twin_methods"], config["denoised_methods"]
    single = {**twins, **denoised}.get(name, {"of": name})["of"]
    baseline = config["baselines"].get(single)
    denoiser = denoised[name]["denoiser"] if name in denoised else None
    method = load_method(
        baseline and {key: value for key, value in baseline.items() if key != "label"},
        None if baseline else _weights(bench, single),
        inference=None if baseline else _inference(config, single),
        denoiser=denoiser and _weights(bench, denoiser),
        denoising=denoiser and _inference(config, denoiser),
    )
    return Named(method, name in twins, baseline is None or denoiser is not None)


def _weights(bench: Bench, network: str) -> object:
    shipped = bench.config["shipped_networks"]
    if network in shipped:
        return shipped_weights(shipped[network]["weights"])
    return model_path(bench, network)


def _inference(config: dict, network: str) -> dict:
    return {**config["experiments"], **config["shipped_networks"]}[network]["inference"]


def plan_evaluation(bench: Bench, test_set: str, method: str) -> Job:
    """Return the job that evaluates a method on a test set."""
    config = bench.config
    entry = config["test_sets"][test_set]
    dataset = config["datasets"][entry["dataset"]]
    used = method_of(bench, method)
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

    each = per_item(run, *PER_MATRIX) / len(sample.cases)
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

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._each: dict[tuple, float] = {}
        self._around: dict[tuple, tuple[float, int]] = {}

    def plan(self, name: str, measurement: dict, users: list[dict], method: str,
             small: SmallScan) -> Job:  # fmt: skip
        """Return the job that restores the calibration of a measurement with a method.

        ``name`` is that of the measurement or of a realization, ``users`` the reconstruction
        settings that decide on the components to restore.
        """
        used = method_of(self.bench, method)
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
                partial(_restore, images, noise, used.method, task, restored), *COMPONENTS
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

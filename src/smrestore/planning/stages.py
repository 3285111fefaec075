"""The whole plan: all jobs of a configuration, in the order of the data flow."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from smrestore.planning.fits import Fits
from smrestore.planning.jobs import Bench, Job
from smrestore.planning.measurements import n_variants, users_of, with_realizations
from smrestore.planning.methods import Methods, Restorations, plan_evaluation
from smrestore.planning.pages import plan_pages
from smrestore.planning.positions import plan_study
from smrestore.planning.reconstruction import Reconstructions
from smrestore.planning.scans import (
    SmallScan,
    driven_axes,
    plan_calibration_scan,
    plan_empty_scan,
    plan_phantom_scan,
    plan_pool,
    small_calibration,
    small_empty,
    small_repetition,
)
from smrestore.planning.simulation import plan_parameters, plan_simulation
from smrestore.planning.training import Trainings
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar

logger = logging.getLogger(__name__)

Step = tuple[str, Callable[[], list[Job]]]


def plan_run(
    config: dict, accelerator: str = "cpu", gpu: str | None = None
) -> tuple[list[Job], list[str]]:
    """Measure kernels and return all jobs of a run, and notes on what is not counted.

    Parameters
    ----------
    config
        The complete configuration.
    accelerator
        ``gpu`` or ``cpu``, what trainings are measured on.
    gpu
        Card that trainings are assumed to run on, without measuring them: a key of
        ``smrestore.planning.gpus.OVER_H100``.

    Raises
    ------
    InputError
        If a part of smrestore that a stage needs is not installed, or a kernel cannot work with the
        configuration.
    """
    with tempfile.TemporaryDirectory(prefix="smrestore-plan-") as folder, _one_thread():
        bench = Bench(config, Path(folder), accelerator, gpu)
        methods = Methods(bench)
        steps = [
            *_data_steps(bench),
            *_network_steps(bench, methods),
            *_measurement_steps(bench, methods),
        ]
        jobs: list[Job] = []
        with progress_bar(steps, desc="measuring", unit="kernel") as bar:
            for number, (name, step) in enumerate(bar, 1):
                bar.set_postfix_str(name)
                if bar.logs:
                    logger.info("measuring %s (%d of %d kernels)", name, number, len(steps))
                jobs += step()
        return jobs, bench.notes


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: threads that wait for each other would count as work."""
    import numba
    import torch
    from threadpoolctl import threadpool_limits

    former = numba.get_num_threads(), torch.get_num_threads()
    numba.set_num_threads(1)
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        numba.set_num_threads(former[0])
        torch.set_num_threads(former[1])


def _data_steps(bench: Bench) -> Iterator[Step]:
    config = bench.config
    yield "parameters", partial(plan_parameters, bench)
    for dataset in config["datasets"]:
        yield f"dataset {dataset}", partial(plan_simulation, bench, dataset)
    empties = _Empties(bench)
    for scan, entry in config["scans"].items():
        if entry["kind"] == "empty" and entry["source"] == "virtual":
            yield f"scan {scan}", partial(empties.plan, scan)
    yield "noise pools", empties.plan_pools
    yield "figures", partial(plan_pages, bench)


class _Empties:
    """Empty scans and pools. Scans of the same settings share what they take."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._small: dict[str, object] = {}
        self._known: dict[str, object] = {}

    def plan(self, scan: str) -> list[Job]:
        entry = self.bench.config["scans"][scan]
        keys = ("scanner", "sequence", "max_mixing_order", "frequencies")
        kind = str([entry.get(key) for key in keys])
        if kind not in self._known:
            self._known[kind] = small_empty(self.bench, scan)
        self._small[scan] = self._known[kind]
        return [plan_empty_scan(self.bench, scan, self._small[scan])]

    def plan_pools(self) -> list[Job]:
        return [
            plan_pool(self.bench, pool, next(map(self._small.get, entry.get("scans", [])), None))
            for pool, entry in self.bench.config["noise_pools"].items()
        ]


def _network_steps(bench: Bench, methods: Methods) -> Iterator[Step]:
    trainings = Trainings(bench)
    for experiment in bench.config["experiments"]:
        yield f"training {experiment}", lambda e=experiment: [trainings.plan(e)]
    for test_set, entry in bench.config["test_sets"].items():
        for method in entry["methods"]:
            yield (
                f"evaluation {test_set}/{method}",
                lambda t=test_set, m=method: [plan_evaluation(methods, t, m)],
            )


def _measurement_steps(bench: Bench, methods: Methods) -> Iterator[Step]:
    config = bench.config
    scans = _Calibrations(bench)
    for scan, entry in config["scans"].items():
        if entry["source"] == "virtual" and entry["kind"] != "empty":
            yield f"scan {scan}", partial(scans.plan, scan)
        elif entry["source"] != "virtual":
            bench.note(f"scan {scan}: comes from a file, so neither it nor its use is counted")
    plans = _Measurements(bench, scans, methods)
    for name in plans.entries:
        yield f"measurement {name}", partial(plans.plan, name)
    for study in config["position_studies"]:
        yield f"positions {study}", partial(plans.plan_study, study)


class _Calibrations:
    """Calibrations and phantoms of virtual scanners; a small one of each kind is measured."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._small: dict[str, SmallScan] = {}

    def plan(self, scan: str) -> list[Job]:
        entry = self.bench.config["scans"][scan]
        if entry["kind"] == "phantom":
            return [plan_phantom_scan(self.bench, scan, self._like(entry))]
        return [plan_calibration_scan(self.bench, scan, self._like(entry))]

    def small(self, scan: str) -> SmallScan:
        """Return the small scan of a calibration itself, with its own noise and grid."""
        if scan not in self._small:
            entry = self.bench.config["scans"][scan]
            if "repeats" in entry:
                original = self.small(entry["repeats"])
                self._small[scan] = small_repetition(self.bench, scan, original)
            else:
                self._small[scan] = small_calibration(self.bench, scan)
        return self._small[scan]

    def _like(self, entry: dict) -> SmallScan:
        """Return a small scan of the same scanner, sequence and stored frequencies."""
        keys = ("scanner", "sequence", "max_mixing_order")

        def kind(other: dict) -> list:
            return [other.get(key) for key in keys]

        alike = [
            name
            for name, other in self.bench.config["scans"].items()
            if other["source"] == "virtual"
            and other["kind"] == "calibration"
            and "repeats" not in other
            and kind(other) == kind(entry)
        ]
        if not alike:
            raise InputError(
                "no calibration of the same scanner, sequence and max_mixing_order",
                field=f"scans.{entry.get('scanner')}",
                remedy="add one, so that what a position takes is known",
            )
        return self.small(next((name for name in alike if name in self._small), alike[0]))


class _Measurements:
    """Fits, restorations and reconstructions."""

    def __init__(self, bench: Bench, scans: _Calibrations, methods: Methods) -> None:
        config = bench.config
        self.bench, self.scans = bench, scans
        self.entries = {
            name: entry
            for name, entry in with_realizations(config).items()
            if config["scans"][entry["calibration"]]["source"] == "virtual"
        }
        self.fits, self.images = Fits(bench), Reconstructions(bench)
        self.restorations = Restorations(methods)

    def plan(self, name: str) -> list[Job]:
        config, entry = self.bench.config, self.entries[name]
        # Realizations have as much noise as the measurement itself.
        first = self.entries[name.split("/")[0]]["calibration"]
        small, kind = self.scans.small(first), self._kind(first)
        fitted = [m for m in entry["methods"] if m in config["fitted_methods"]]
        users = users_of(self.entries, name)
        jobs = [
            self.fits.plan_fit(name, fit, kind, small)
            for fit in dict.fromkeys(config["fitted_methods"][m]["fit"] for m in fitted)
        ]
        for method in entry["methods"]:
            if method in fitted:
                jobs.append(self.fits.plan_restoration(name, entry, method, kind, small))
            else:
                jobs.append(self.restorations.plan(name, entry, users, method, small))
        return [*jobs, self.images.plan(name, entry, n_variants(config, name, entry), small)]

    def plan_study(self, study: str) -> list[Job]:
        config = self.bench.config
        entry = config["position_studies"][study]
        name = entry["measurement"]
        small, jobs = None, []
        for scan in entry["calibrations"]:
            small, kind = self.scans.small(scan), self._kind(scan)
            methods = {m["use"]: m_name for m_name, m in config["fitted_methods"].items()}
            jobs.append(
                plan_study(
                    study,
                    entry,
                    scan,
                    self.fits.plan_fit(scan, entry["fit"], kind, small),
                    [
                        self.fits.plan_restoration(
                            scan, config["measurements"][name], m, kind, small
                        )
                        for m in methods.values()
                    ],
                    self.images.plan(scan, config["measurements"][name], 2, small),
                )
            )
        return jobs

    def _kind(self, scan: str) -> tuple:
        return self.bench.config["scans"][scan]["scanner"], driven_axes(self.bench.config, scan)

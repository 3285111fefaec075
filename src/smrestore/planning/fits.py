"""Fits of the physics, and restorations by them."""

import math
from pathlib import Path

from smrestore.fitting.model import write_fits
from smrestore.fitting.settings import FitSettings
from smrestore.planning.jobs import Bench, Job, cpu_seconds
from smrestore.planning.methods import restored_size
from smrestore.planning.scans import SmallScan
from smrestore.planning.start import start_of
from smrestore.restoration.modelled import fit_calibration, restore_by_model
from smrestore.support.errors import InputError

WORKSPACE = 200 * 2**20
"""What compiled functions, tables and derivatives take in a fit."""


class Fits:
    """Fits of small scans. Scans of one scanner and as many driven axes share what they take."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._fitted: dict[tuple, tuple[float, Path] | None] = {}
        self._restored: dict[tuple, float] = {}

    def plan_fit(self, name: str, fit: str, kind: tuple, small: SmallScan) -> Job:
        """Return the job of a fit; ``kind`` says which scans cost the same."""
        found = self._fit(fit, kind, small)
        start = start_of("fits")
        return Job(
            "fits",
            f"{name}/{fit}",
            start.seconds + (found[0] if found else 0.0),
            memory=start.memory + WORKSPACE,
            disk=20e3,
        )

    def plan_restoration(
        self, name: str, measurement: dict, method: str, kind: tuple, small: SmallScan
    ) -> Job:
        """Return the job that restores a scan by a fit."""
        entry = self.bench.config["fitted_methods"][method]
        size = restored_size(measurement, small.grid.size)
        if entry["refinement"] > 1:
            size = tuple(entry["refinement"] * (n - 1) + 1 for n in size)
        # Half of the work is at the measured positions, half at the wanted ones.
        share = (math.prod(size) + small.grid.n_positions) / (2 * small.positions)
        seconds = share * self._restoration(entry, kind, small)
        start = start_of("fits")
        restored = small.frame_bytes * math.prod(size)
        return Job(
            "restoration",
            f"{name}/{method}",
            start.seconds + seconds,
            # Measured, modelled at both sets of positions, and restored.
            memory=start.memory + WORKSPACE + 4 * restored,
            disk=restored,
            rule="restore_by_fit",
        )

    def _fit(self, fit: str, kind: tuple, small: SmallScan) -> tuple[float, Path] | None:
        """Return the time of a fit and its file, None if a small scan cannot be fitted."""
        key = fit, *kind
        if key not in self._fitted:
            self._fitted[key] = self._measured(fit, key, small)
        return self._fitted[key]

    def _measured(self, fit: str, key: tuple, small: SmallScan) -> tuple[float, Path] | None:
        entry = self.bench.config["fits"][fit]
        if "neel" in entry["states"]:
            self.bench.note(
                f"fit {fit}: the state neel takes minutes more for each scan; not counted"
            )
            entry = {**entry, "states": [s for s in entry["states"] if s != "neel"] or ["fluid"]}
        path = self.bench.folder / f"fit-{len(self._fitted)}.json"

        def run() -> None:
            fits = fit_calibration(small.path, settings=FitSettings(**entry))
            write_fits(path, fits, small.path.name)

        try:
            return cpu_seconds(run), path
        except InputError as error:
            self.bench.note(f"fit {fit} of {small.path.stem}: {error.what}; not counted")
            return None

    def _restoration(self, entry: dict, kind: tuple, small: SmallScan) -> float:
        key = entry["fit"], entry["use"], *kind
        if key not in self._restored:
            found = self._fit(entry["fit"], kind, small)

            def run() -> None:
                restore_by_model(
                    small.path,
                    self.bench.folder / "by-fit.mdf",
                    entry["use"],
                    fit=found[1],
                    allow_misfit=True,
                )

            self._restored[key] = cpu_seconds(run) if found else 0.0
        return self._restored[key]

"""Print how far each effect of the virtual scanner leads away from the training distribution.

Training matrices have particles of one size in equilibrium, a point as sample and ideal fields, so
that each component is a real image times a phase. For the strongest components of the snake
calibration, with one effect at a time and with all, the table gives two relative errors (L2 norm
over the voxels): of the real image that is nearest up to a global phase, and of the nearest
training matrix, each component with a scale and phase of its own. That matrix is sought over core
diameter, anisotropy constant and spatial modulation within table 1 of the study, such that the mean
square error over the components is smallest.

    python benchmarks/virtual_scanner.py
"""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.optimize

from smrestore import mdf
from smrestore.configuration import load_configuration
from smrestore.methods.phase import phase_factor
from smrestore.physics import Components, Particle, Simulation, component_values
from smrestore.scanner import load_grid, load_scanner, load_sequence, scan_calibration
from smrestore.support.progress import progress_bar

ROOT = Path(__file__).parents[1]
N_COMPONENTS = 200
AVERAGES = 10
BOUNDS = np.array([[15.0, 25.0], [3.0, 4.0], [0.3, 1.3]])
"""Core diameter in nm, logarithm of the anisotropy constant in J/m^3, spatial modulation."""

Switch = Callable[[dict, dict], None]


@dataclass(frozen=True, eq=False)
class Setting:
    """The snake setting: the full scanner, an ideal one, and the components that are compared."""

    full: dict
    ideal: dict
    sequence: object
    grid: object
    seed: int

    def simulation(self, diameter: float, anisotropy: float, modulation: float) -> Simulation:
        """Return a training simulation; diameter in nm, anisotropy as logarithm."""
        particle = Particle(
            diameter * 1e-9, 10.0**anisotropy, "fluid", spatial_modulation=modulation
        )
        return Simulation(particle, self.sequence, self.grid)


def load() -> Setting:
    """Return the setting of the default configuration."""
    config = load_configuration([ROOT / "config.yaml"])
    scan = config["scans"]["snake-calibration"]
    full = config["scanners"][scan["scanner"]]
    ideal = copy.deepcopy(full)
    ideal["tracer"].update(diameter_spread=0.0, relaxation_time_us=0.0, core_sizes=1)
    ideal["delta_sample"].update(size_mm=[0.0, 0.0, 0.0], points=1)
    ideal["fields"].update(selection_deviation=0.0, drive_deviation=0.0)
    # Far above all frequencies, so that nothing resonates.
    ideal["channels"] = [
        {"sensitivity_uV_s": c["sensitivity_uV_s"], "resonance_kHz": 1e9, "quality": 1.0}
        | {"delay_ns": 0.0}
        for c in full["channels"]
    ]
    return Setting(
        full,
        ideal,
        load_sequence(config["sequences"][scan["sequence"]]),
        load_grid(config["grids"][scan["grid"]]),
        config["seed"],
    )


def take(*keys: tuple[str, str]) -> Switch:
    """Return a switch that takes these settings, (section, key), from the full scanner."""

    def switch(entry: dict, full: dict) -> None:
        for section, key in keys:
            entry[section][key] = full[section][key]

    return switch


def receive_chain(entry: dict, full: dict) -> None:
    """Switch resonances and delays on."""
    entry["channels"] = full["channels"]


def everything(entry: dict, full: dict) -> None:
    """Switch all on."""
    entry.update(copy.deepcopy(full))


SIZES = (("tracer", "diameter_spread"), ("tracer", "core_sizes"))
RELAXATION = ("tracer", "relaxation_time_us")
SAMPLE = (("delta_sample", "size_mm"), ("delta_sample", "points"))
PHYSICS: dict[str, Switch] = {
    "none": take(),
    "core sizes": take(*SIZES),
    "relaxation": take(RELAXATION),
    "core sizes and relaxation": take(*SIZES, RELAXATION),
    "receive chain": receive_chain,
    "delta sample": take(*SAMPLE),
    "selection field": take(("fields", "selection_deviation")),
    "drive fields": take(("fields", "drive_deviation")),
    "all of these": everything,
}
BACKGROUND = ("feedthrough_mV", "drift", "low_order_drift", "correlation_frames", "jump_rate")
MEASURED: dict[str, tuple[str, ...]] = {
    "integer conversion": (),
    "drift and jumps": BACKGROUND,
    "thermal noise": ("thermal_noise_mV",),
}
SILENT = {"thermal_noise_mV": 0.0, "feedthrough_mV": 0.0, "drift": 0.0, "jump_rate": 0.0}


def strongest(setting: Setting) -> Components:
    """Return the strongest components of the ideal scanner."""
    simulation = setting.simulation(*start(setting))
    components = Components.all_of(simulation)
    norm = np.linalg.norm(component_values(simulation, components), axis=0)
    chosen = np.argsort(-norm, kind="stable")[:N_COMPONENTS]
    return Components(components.channel[chosen], components.frequency[chosen])


def start(setting: Setting) -> np.ndarray:
    """Return the training parameters of the median tracer."""
    tracer = setting.full["tracer"]
    return np.array(
        [
            tracer["median_core_diameter_nm"],
            np.log10(tracer["anisotropy_constant_J_per_m3"]),
            tracer["spatial_modulation"],
        ]
    )


def noise_free(setting: Setting, entry: dict, components: Components) -> np.ndarray:
    """Return the components of a scanner, complex128 (S, P)."""
    bins = np.unique(components.frequency)
    model = load_scanner("virtual", entry).signal_model(
        setting.sequence, setting.grid, seed=setting.seed, frequencies=bins
    )
    spectra = model.of_samples(setting.grid.positions().reshape(-1, 3))
    return spectra[:, components.channel, np.searchsorted(bins, components.frequency)].T


def measured(setting: Setting, entry: dict, components: Components) -> np.ndarray:
    """Return the components as a calibration scan measures them, complex64 (S, P)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snake-calibration.mdf"
        scan_calibration(
            path,
            path.with_suffix(".h5"),
            load_scanner("virtual", entry),
            setting.sequence,
            setting.grid,
            averages=AVERAGES,
            seed=setting.seed,
        )
        bins = np.unique(components.frequency)
        matrix = mdf.read_system_matrix(path, frequencies=bins)
    matrix = matrix.reshape(*matrix.shape[:2], -1)
    return matrix[components.channel, np.searchsorted(bins, components.frequency)]


def real_error(rows: np.ndarray) -> np.ndarray:
    """Return the relative error of the nearest real image up to a phase, float64 (S,)."""
    turned = np.array([row / phase_factor(row) for row in rows])
    return np.linalg.norm(turned.imag, axis=1) / np.linalg.norm(turned, axis=1)


def training_error(rows: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the relative error of images (S, P), each scaled and turned, float64 (S,)."""
    overlap = np.abs((images * rows).sum(axis=1)) ** 2
    energy = (images**2).sum(axis=1) * (np.abs(rows) ** 2).sum(axis=1)
    return np.sqrt(np.clip(1 - overlap / np.where(energy > 0, energy, 1), 0, None))


def nearest_training(
    setting: Setting, rows: np.ndarray, components: Components
) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors (S,) of the nearest training matrix, and its parameters."""

    def errors(parameters: np.ndarray) -> np.ndarray:
        values = component_values(setting.simulation(*parameters), components)
        return training_error(rows, values.T)

    found = scipy.optimize.minimize(
        lambda parameters: np.mean(errors(parameters) ** 2),
        start(setting),
        method="Nelder-Mead",
        bounds=BOUNDS,
        options={"xatol": 1e-3, "fatol": 1e-8, "maxfev": 120},
    )
    return errors(found.x), found.x


def describe(
    name: str, setting: Setting, rows: np.ndarray, components: Components
) -> dict[str, object]:
    """Return a row of the table; errors in percent."""
    real, (training, parameters) = real_error(rows), nearest_training(setting, rows, components)
    row: dict[str, object] = {"effect": name}
    for column, errors in (("not real", real), ("training", training)):
        row[f"{column}, median %"] = f"{100 * np.median(errors):.2f}"
        row[f"{column}, 90th %"] = f"{100 * np.quantile(errors, 0.9):.2f}"
    row["d nm"] = f"{parameters[0]:.2f}"
    row["K J/m^3"] = f"{10 ** parameters[1]:.0f}"
    row["q"] = f"{parameters[2]:.2f}"
    return row


def main() -> None:
    """Print the table."""
    setting = load()
    components = strongest(setting)
    table = []
    for name, switch in progress_bar(PHYSICS.items(), desc="effects", unit="effect"):
        entry = copy.deepcopy(setting.ideal)
        switch(entry, setting.full)
        rows = noise_free(setting, entry, components)
        table.append(describe(name, setting, rows, components))
    for name, keys in progress_bar(MEASURED.items(), desc="background", unit="effect"):
        entry = copy.deepcopy(setting.ideal)
        entry["background"] |= SILENT | {key: setting.full["background"][key] for key in keys}
        rows = measured(setting, entry, components)
        table.append(describe(name, setting, rows, components))
    rows = measured(setting, setting.full, components)
    table.append(describe("all, as measured", setting, rows, components))
    print(pd.DataFrame(table).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()

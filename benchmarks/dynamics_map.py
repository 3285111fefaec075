"""Where equilibrium fails: how far matrices with dynamics are from the nearest equilibrium ones.

python benchmarks/dynamics_map.py docs/images/dynamics-map.png     # some minutes

The sequence of the default run, fluid particles, every other position of the snake grid, the 300
strongest components. The distance of a component is that of its image to the image of the
equilibrium model, over the norm of the former: after the best Debye relaxation time of all, or with
the best complex factor for each component, which covers relaxation of any number of times. The map
shows medians over the components.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tabulate import tabulate

from smrestore.physics import (
    CalibrationGrid,
    Components,
    Particle,
    Sequence,
    Simulation,
    component_values,
)
from smrestore.physics.dynamics import Rotation, dynamic_values

SEQUENCE = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0))
GRID = CalibrationGrid((17, 15, 1), (0.034, 0.030, 0.0))
POSITIONS = GRID.positions()[::2, ::2].reshape(-1, 3)
N_STRONGEST = 300
TOLERANCE = 1e-4
CORES = np.array([15.0, 17.5, 20.0, 22.5, 25.0])
ANISOTROPIES = np.array([1000.0, 1800.0, 3200.0, 5600.0, 10000.0])
SHELLS = np.array([0.0, 5.0, 10.0, 20.0])
DEBYE_TIMES = np.concatenate([[0.0], np.logspace(-9, -2, 90)])


def distances(particle: Particle, rotation: Rotation, still: Particle) -> tuple[float, float]:
    """Return the median distance after the best Debye time, and with a factor per component."""
    simulation = Simulation(particle, SEQUENCE, GRID)
    components = Components.all_of(simulation)
    values = dynamic_values(simulation, rotation, components, POSITIONS, tolerance=TOLERANCE)
    model = component_values(Simulation(still, SEQUENCE, GRID), components, POSITIONS)
    strongest = np.argsort(np.linalg.norm(values, axis=0))[-N_STRONGEST:]
    values, model = values[:, strongest], model[:, strongest]
    frequency = SEQUENCE.frequencies[components.frequency[strongest]]
    size = np.linalg.norm(values, axis=0)
    by_time = [
        np.median(
            np.linalg.norm(values - model / (1 + 2j * np.pi * frequency * tau), axis=0) / size
        )
        for tau in DEBYE_TIMES
    ]
    power = np.maximum((model * model).sum(axis=0), 1e-300)
    factor = (model * values).sum(axis=0) / power
    free = np.median(np.linalg.norm(values - factor * model, axis=0) / size)
    return min(by_time), free


def neel(core: float, anisotropy: float) -> tuple[float, float]:
    particle = Particle(core * 1e-9, anisotropy)
    return distances(particle, Rotation(), particle)


def brown(core: float, shell: float) -> tuple[float, float]:
    rotation = Rotation("brown", hydrodynamic_diameter=(core + 2 * shell) * 1e-9)
    particle = Particle(core * 1e-9)
    return distances(particle, rotation, particle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("figure", type=Path)
    path = parser.parse_args().figure
    maps = {}
    for name, function, rows in (("Neel", neel, ANISOTROPIES), ("Brown", brown, SHELLS)):
        maps[name] = np.array([[function(core, row) for core in CORES] for row in rows])
        for number, kind in enumerate(("best Debye time", "factor per component")):
            table = 100 * maps[name][:, :, number]
            print(f"\n{name}, {kind}: median distance in % by core diameter in nm")
            lines = [[row, *line] for row, line in zip(rows, table, strict=True)]
            label = "K in J/m^3" if name == "Neel" else "shell in nm"
            print(tabulate(lines, [label, *CORES], floatfmt=".3g"), flush=True)

    figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained", sharex=True)
    panels = [(name, number) for name in maps for number in (0, 1)]
    for axis, (name, number) in zip(axes, panels, strict=True):
        table = 100 * maps[name][:, :, number]
        rows = ANISOTROPIES / 1000 if name == "Neel" else SHELLS
        image = axis.imshow(
            np.log10(table), origin="lower", vmin=-1, vmax=2, cmap="viridis", aspect="auto"
        )
        for (i, j), value in np.ndenumerate(table):
            color = "black" if value > 10 else "white"
            label = f"{value:.2g}" if value < 99.5 else f"{value:.0f}"
            axis.text(j, i, label, ha="center", va="center", color=color, fontsize=7)
        axis.set_xticks(range(len(CORES)), [f"{core:g}" for core in CORES])
        axis.set_yticks(range(len(rows)), [f"{row:g}" for row in rows])
        axis.set_xlabel("core diameter in nm")
        axis.set_ylabel("K in kJ/m³" if name == "Neel" else "shell in nm")
        kind = "factor per component" if number else "best Debye time"
        axis.set_title(f"{name}, {kind}", fontsize=9)
    bar = figure.colorbar(image, ax=axes, label="median distance in %")
    bar.set_ticks([-1, 0, 1, 2], labels=["0.1", "1", "10", "100"])
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()

"""Speed and exactness of the Fokker-Planck dynamics, with ratios in one run.

python benchmarks/dynamics.py              # some minutes
python benchmarks/dynamics.py --quick      # every eighth position of the snake, without 3D

The snake grid is that of the default run: 17 x 15 positions, the 2D Lissajous sequence, and all
frequencies of three channels. Seconds pass on two threads; processor time is that of all of them,
which other programs on the machine disturb less.
"""

import argparse
import time

import numba
import numpy as np
import scipy.integrate
import scipy.sparse
from tabulate import tabulate

from smrestore.physics import CalibrationGrid, Components, Particle, Sequence, Simulation
from smrestore.physics.dynamics import Rotation, dynamic_values
from smrestore.physics.dynamics.couplings import couplings
from smrestore.physics.dynamics.frames import lanes_of, places_of
from smrestore.physics.vectors import LANES

SNAKE = (
    Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0)),
    CalibrationGrid((17, 15, 1), (0.034, 0.030, 0.0)),
)
RESOLUTION = (
    Sequence((0.012, 0.012, 0.012), (-1.0, -1.0, 2.0)),
    CalibrationGrid((9, 9, 7), (0.018, 0.018, 0.007)),
)
SIZES = (18e-9, 20e-9, 22e-9)
ROTATIONS = {
    "Neel": Rotation(),
    "Neel, precession": Rotation(precession=True),
    "Brown, 30 nm, water": Rotation("brown", hydrodynamic_diameter=30e-9),
}
TOLERANCE = 1e-4


def simulation_of(setting: tuple, core_diameter: float, anisotropy_constant: float) -> Simulation:
    return Simulation(Particle(core_diameter, anisotropy_constant), *setting)


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def timed(*arguments, **options) -> tuple[np.ndarray, np.ndarray]:
    """Return values, and the time and processor time that they took."""
    start = clocks()
    values = dynamic_values(*arguments, **options)
    return values, clocks() - start


def scipy_seconds(simulation: Simulation, position: np.ndarray, degree: int, part: float) -> float:
    """Return the processor time of a cycle by SciPy's BDF with sparse matrices, from a part of it.

    Plane case; the relative error of steps is 1e-5.
    """
    rotation = Rotation()
    places = places_of(simulation, rotation, position[None], None)
    rate = 0.5 / rotation.relaxation_time(simulation.particle)
    fields = lanes_of(places, np.array([0]), rate, simulation)
    links = couplings(degree, True, 0.0)
    size = links.n_unknowns
    terms = [scipy.sparse.lil_array((size, size)) for _ in range(5)]
    for group in range(3):
        for row in range(size):
            for e in range(links.first[group, row], links.last[group, row, degree]):
                column = links.column[e] // LANES
                terms[links.term[e] // LANES][row, column] += links.coefficient[e]
    terms = [scipy.sparse.csc_array(term) for term in terms]
    constant = fields.constant.reshape(5, LANES)[:, 0]
    drive = fields.drive.reshape(3, 3, LANES)[:, :, 0]

    def generator(t: float) -> scipy.sparse.csc_array:
        swing = np.cos(fields.frequency * t + fields.phase) @ drive
        factors = constant + np.concatenate([[0, 0], swing])
        return sum(f * term for f, term in zip(factors, terms, strict=True))

    y = np.zeros(size)
    y[0] = 1
    shifted = generator(0.0) - 1e-9 * rate * scipy.sparse.eye_array(size)
    y = scipy.sparse.linalg.spsolve(scipy.sparse.csc_array(shifted), -1e-9 * rate * y)
    end = part * simulation.sequence.cycle
    start = time.process_time()
    scipy.integrate.solve_ivp(
        lambda t, y: generator(t) @ y,
        (0, end),
        y,
        "BDF",
        t_eval=np.arange(0, end, 1 / simulation.sequence.sampling_rate),
        jac=lambda t, y: generator(t),
        rtol=1e-5,
        atol=1e-7,
    )
    return (time.process_time() - start) / part


def snake(step: int) -> float:
    """Print times and errors of the snake grid; return processor time of a position."""
    positions = SNAKE[1].positions().reshape(-1, 3)[::step]
    few = positions[:: max(len(positions) // 16, 1)]
    rows, per_position = [], 0.0
    for name, rotation in ROTATIONS.items():
        total, errors = np.zeros(2), []
        for size in SIZES:
            simulation = simulation_of(SNAKE, size, 6000.0)
            components = Components.all_of(simulation)
            values, times = timed(
                simulation, rotation, components, positions, tolerance=TOLERANCE, threads=2
            )
            total += times
            coarse, exact = (
                dynamic_values(simulation, rotation, components, few, tolerance=t)
                for t in (TOLERANCE, TOLERANCE / 100)
            )
            errors.append(abs(coarse - exact).max() / abs(values).max())
        if name == "Neel":
            per_position = total[1] / len(SIZES) / len(positions)
        scale = 255 / len(positions)
        rows.append(
            [name, *(total * scale), 1e3 * total[1] / len(SIZES) / len(positions), max(errors)]
        )
    print("\nSnake grid, 255 positions, K = 6000 J/m^3, 18, 20 and 22 nm, tolerance 1e-4")
    header = ["rotation", "s, 2 threads", "processor s", "ms/position", "largest error"]
    print(tabulate(rows, header, floatfmt=".3g"), flush=True)
    return per_position


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    for rotation in ROTATIONS.values():  # compiles
        simulation = simulation_of(SNAKE, 15e-9, 1000.0)
        some = Components(np.array([0]), np.array([1]))
        dynamic_values(simulation, rotation, some, np.zeros((1, 3)), tolerance=1e-2)
    per_position = snake(8 if quick else 1)

    simulation = simulation_of(SNAKE, 20e-9, 6000.0)
    positions = np.array([[0.002, 0.004, 0.0], [-0.01, 0.006, 0.0]])
    seconds = [scipy_seconds(simulation, position, 18, 1 / 32) for position in positions]
    print(
        f"\nSciPy's BDF, sparse, degree 18: {np.mean(seconds):.3g} s for a cycle of a position, "
        f"{np.mean(seconds) / per_position:.0f} times ours (processor time, 1/32 of a cycle)",
        flush=True,
    )
    if quick:
        return
    simulation = simulation_of(RESOLUTION, 20e-9, 6000.0)
    positions = RESOLUTION[1].positions().reshape(-1, 3)[::71]
    _, times = timed(simulation, Rotation(), Components.all_of(simulation), positions)
    print(
        f"\n3D, a cycle of 21.5 ms, Neel, 20 nm: {times[1]:.3g} s of processor time for "
        f"{len(positions)} positions, so {times[1] / len(positions) * 300 / 2 / 60:.3g} minutes "
        "for 300 on two cores"
    )


if __name__ == "__main__":
    main()

"""Compile once what Numba compiles, so that jobs that start side by side do not each do so.

    python -m smrestore.compiled

Numba keeps the code beside its source, or in ``NUMBA_CACHE_DIR``, until one of them changes.
"""

import time
from itertools import product

import numpy as np

from smrestore.physics import (
    CalibrationGrid,
    Components,
    LocalFields,
    Particle,
    Sequence,
    Simulation,
    component_values,
)
from smrestore.physics.dynamics import Rotation, dynamic_values
from smrestore.reconstruction.rows import row_weights
from smrestore.reconstruction.solver import kaczmarz


def compile_simulation() -> None:
    """Simulate some components in all ways: in 2D and 3D, real and complex, by either transform."""
    for depth in (0.0, 0.01):
        sequence = Sequence((0.01, 0.01, depth), (-1.0, -1.0, 2.0))
        grid = CalibrationGrid((2, 2, 1 if depth == 0 else 2), (0.02, 0.02, depth))
        positions = grid.positions().reshape(-1, 3)
        for relaxation_time in (0.0, 1e-6):
            particle = Particle(20e-9, 2000.0, "fluid", relaxation_time=relaxation_time)
            simulation = Simulation(particle, sequence, grid)
            some = Components(np.array([0, 1]), np.array([100, 200]))
            field = sequence.static_field(positions)
            at = {"fields": LocalFields(field, np.ones_like(field))}
            dtypes = (
                (np.float32, np.float64) if simulation.is_real else (np.complex64, np.complex128)
            )
            for options, transform, dtype in product(({}, at), ("torus", "time"), dtypes):
                out = np.empty((len(positions), len(some)), dtype)
                component_values(
                    simulation, some, positions, transform=transform, out=out, **options
                )


def compile_dynamics() -> None:
    """Follow the moment at one position."""
    sequence = Sequence((0.01, 0.0, 0.0), (-1.0, -1.0, 2.0))
    simulation = Simulation(Particle(15e-9), sequence, CalibrationGrid((1, 1, 1), (0.0, 0.0, 0.0)))
    first = Components(np.array([0]), np.array([1]))
    dynamic_values(simulation, Rotation(), first, tolerance=1e-2)


def compile_reconstruction() -> None:
    """Reconstruct some voxels from one frame and from several, in both precisions."""
    for dtype in (np.complex64, np.complex128):
        matrix = np.eye(4, dtype=dtype)
        row_weights("row-norm", matrix)
        for shape in ((4,), (4, 2)):
            kaczmarz(matrix, np.ones(shape), regularization=0.1, sweeps=1)


def main() -> None:
    """Compile all, with a line that tells how long it took."""
    start = time.perf_counter()
    compile_simulation()
    compile_dynamics()
    compile_reconstruction()
    print(f"compiled in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

"""Time of the Kaczmarz solver beside the same rows in plain NumPy, in one run.

python benchmarks/bench_kaczmarz.py
"""

import functools
import time
from collections.abc import Callable

import numpy as np
from tabulate import tabulate

from smrestore.reconstruction import kaczmarz, row_energies

BUDGET_S = 2.0
NUMPY_RATIO = 20.0
NUMPY_SWEEPS = 50
FRAMES = 16
ROUNDS = 4
CASES = (
    ("2D, 17 x 15", 1000, 255, 1000),
    ("3D, 19 x 19 x 19", 5000, 6859, 3),
)


def numpy_sweeps(
    matrix: np.ndarray, measurement: np.ndarray, regularization: float, sweeps: int
) -> np.ndarray:
    """Return the image (voxels,) after unweighted, unconstrained sweeps, one row at a time."""
    image = np.zeros(matrix.shape[1], np.complex128)
    slack = np.zeros(len(matrix), np.complex128)
    root, denominators = np.sqrt(regularization), row_energies(matrix) + regularization
    for _ in range(sweeps):
        for k, row in enumerate(matrix):
            beta = (measurement[k] - row @ image - root * slack[k]) / denominators[k]
            image += beta * row.conj()
            slack[k] += beta * root
    return image.real


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    table, together_lines = [], []
    for name, rows, voxels, sweeps in CASES:
        rng = np.random.default_rng(0)
        matrix = rng.normal(size=(rows, voxels)) + 1j * rng.normal(size=(rows, voxels))
        measurement = matrix @ rng.random(voxels)
        regularization = 1e-2 * row_energies(matrix).sum() / voxels
        compared = min(sweeps, NUMPY_SWEEPS)
        plain = functools.partial(numpy_sweeps, matrix, measurement, regularization, compared)
        solver = functools.partial(kaczmarz, measurement=measurement, regularization=regularization)
        free = solver(matrix, sweeps=compared, real=False, positive=False)
        difference = np.abs(free - plain()).max() / np.abs(free).max()
        stored = {"complex64": matrix.astype(np.complex64), "complex128": matrix}
        variants = {
            "complex64": functools.partial(solver, stored["complex64"]),
            "complex128": functools.partial(solver, matrix),
            "complex64, shuffled": functools.partial(
                solver, stored["complex64"], order=rng.permutation(rows)
            ),
        }
        solver(stored["complex64"], sweeps=1)
        # Rounds in turn, and the shortest time of each: other processes disturb all alike.
        rounds = [
            [seconds(plain) * sweeps / compared]
            + [seconds(functools.partial(run, sweeps=sweeps)) for run in variants.values()]
            for _ in range(ROUNDS)
        ]
        numpy_time, *times = np.min(rounds, axis=0)
        for storage, elapsed in zip(variants, times, strict=True):
            table.append(
                {
                    "case": name,
                    "sweeps x rows x voxels": f"{sweeps} x {rows} x {voxels}",
                    "storage": storage,
                    "s": elapsed,
                    f"<= {BUDGET_S:g} s": "yes" if elapsed <= BUDGET_S else "NO",
                    "NumPy complex128, s": numpy_time,
                    "ratio": numpy_time / elapsed,
                    f">= {NUMPY_RATIO:g}": "yes" if numpy_time >= NUMPY_RATIO * elapsed else "NO",
                    "difference": f"{difference:.0e}",
                }
            )
        # One sweep of many frames beside as many frames alone: rows are read once for all of them.
        few = max(1, sweeps // 100)
        frames = np.repeat(measurement[:, None], FRAMES, axis=1)
        one = functools.partial(solver, stored["complex64"], sweeps=few)
        many = functools.partial(one, measurement=frames)
        alone, together = np.min([[seconds(one), seconds(many)] for _ in range(ROUNDS)], axis=0)
        together_lines.append(
            f"{name}: {FRAMES} frames take {together / alone:.1f} times as long as one."
        )
    print(tabulate(table, headers="keys", floatfmt=".3g"))
    print("\n".join(together_lines))
    print(f"NumPy: at most {NUMPY_SWEEPS} sweeps, scaled. Solver: checks and projections included.")


if __name__ == "__main__":
    main()

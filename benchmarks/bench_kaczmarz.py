"""Time of the Kaczmarz solver beside the same rows in plain NumPy, and what limits both.

python benchmarks/bench_kaczmarz.py
"""

import functools
import time
from collections.abc import Callable

import numba
import numpy as np
from tabulate import tabulate

from smrestore.reconstruction import kaczmarz, row_energies

BUDGET_S = 2.0
NUMPY_RATIO = 20.0
NUMPY_SWEEPS = 50
FRAMES = 10
ROUNDS = 4
FLOPS = 16
"""Floating point operations of a voxel and row: a complex product and a complex step."""
CASES = (
    ("2D, 17 x 15", 1000, 255, 1000),
    ("3D, 19 x 19 x 19", 5000, 6859, 3),
)


def numpy_sweeps(
    matrix: np.ndarray, measurement: np.ndarray, regularization: float, sweeps: int
) -> np.ndarray:
    """Return the image (voxels,) after unweighted, unconstrained sweeps, one row at a time.

    The loop of the MDF examples in Python: a dot product and a scaled row to add, in the precision
    of the matrix. Complex128 is the fastest: other rows are converted at each visit, as the image
    needs double precision.
    """
    image = np.zeros(matrix.shape[1], np.complex128)
    slack = np.zeros(len(matrix), np.complex128)
    root, denominators = np.sqrt(regularization), row_energies(matrix) + regularization
    for _ in range(sweeps):
        for k, row in enumerate(matrix):
            beta = (measurement[k] - row @ image - root * slack[k]) / denominators[k]
            image += beta * row.conj()
            slack[k] += beta * root
    return image.real


def seconds(function: Callable[[], object], threads: int = 1) -> float:
    """Return the processor time of each of some threads, which other processes lengthen least."""
    start = time.process_time()
    function()
    return (time.process_time() - start) / threads


def bandwidth() -> tuple[float, float]:
    """Return in GB/s how fast one thread copies memory, read and written, and reads it."""
    source = np.ones(2**25)
    target = np.empty_like(source)
    copied = min(seconds(lambda: np.copyto(target, source)) for _ in range(ROUNDS + 1))
    read = min(seconds(source.sum) for _ in range(ROUNDS))
    return 2 * source.nbytes / copied / 1e9, source.nbytes / read / 1e9


def cases_of(
    name: str, rows: int, voxels: int, sweeps: int
) -> tuple[list[dict[str, object]], float]:
    """Return a line for each way to solve a case, and how far the images are from NumPy's."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(rows, voxels)) + 1j * rng.normal(size=(rows, voxels))
    measurement = matrix @ rng.random(voxels)
    regularization = 1e-2 * row_energies(matrix).sum() / voxels
    compared = min(sweeps, NUMPY_SWEEPS)
    plain = functools.partial(numpy_sweeps, matrix, measurement, regularization, compared)
    solver = functools.partial(kaczmarz, measurement=measurement, regularization=regularization)
    free = solver(matrix, sweeps=compared, real=False, positive=False)
    difference = np.abs(free - plain()).max() / np.abs(free).max()
    single = matrix.astype(np.complex64)
    several = np.repeat(measurement[:, None], FRAMES, axis=1)
    # What is solved, how many frames, and how many bytes of matrix a sweep needs. Threads share
    # the frames.
    n_threads = min(FRAMES, numba.get_num_threads())
    variants = {
        "complex64": (functools.partial(solver, single), 1, single.nbytes),
        "complex128": (functools.partial(solver, matrix), 1, matrix.nbytes),
        "complex64, shuffled": (
            functools.partial(solver, single, order=rng.permutation(rows)),
            1,
            single.nbytes,
        ),
        f"complex64, {FRAMES} frames": (
            functools.partial(solver, single, measurement=several),
            FRAMES,
            single.nbytes,
        ),
    }
    solver(single, sweeps=1)
    # Rounds in turn, and the shortest time of each: other processes disturb all alike.
    rounds = [
        [seconds(plain) * sweeps / compared]
        + [
            seconds(functools.partial(run, sweeps=sweeps), n_threads if n_frames > 1 else 1)
            for run, n_frames, _ in variants.values()
        ]
        for _ in range(ROUNDS)
    ]
    numpy_time, *times = np.min(rounds, axis=0)
    named = {"NumPy, complex128": (None, 1, matrix.nbytes), **variants}
    return [
        {
            "case": name,
            "sweeps x rows x voxels": f"{sweeps} x {rows} x {voxels}",
            "how": how,
            "s": elapsed,
            "matrix, GB/s": sweeps * n_bytes / elapsed / 1e9,
            "GFlop/s": FLOPS * sweeps * rows * voxels * n_frames / elapsed / 1e9,
            "ratio": n_frames * numpy_time / elapsed,
        }
        for (how, (_, n_frames, n_bytes)), elapsed in zip(
            named.items(), [numpy_time, *times], strict=True
        )
    ], difference


def main() -> None:
    table = []
    for case in CASES:
        lines, difference = cases_of(*case)
        table += lines
        one = next(line for line in lines if line["how"] == "complex64")
        several = lines[-1]
        print(
            f"{case[0]}: {one['s']:.3g} s ({_verdict(one['s'] <= BUDGET_S)}, <= {BUDGET_S:g} s), "
            f"{one['ratio']:.3g} times NumPy ({_verdict(one['ratio'] >= NUMPY_RATIO)}, >= "
            f"{NUMPY_RATIO:g}), {several['ratio']:.3g} times with {FRAMES} frames "
            f"({_verdict(several['ratio'] >= NUMPY_RATIO)}); images differ by {difference:.0e}"
        )
    print(tabulate(table, headers="keys", floatfmt=".3g"))
    copied, read = bandwidth()
    print(f"One thread copies memory at {copied:.3g} GB/s and reads it at {read:.3g} GB/s.")
    print(
        f"Several frames use {numba.get_num_threads()} threads; ratios are to NumPy frame by frame."
    )
    print("Seconds are processor time of each thread.", end=" ")
    print(f"NumPy: at most {NUMPY_SWEEPS} sweeps, scaled. Solver: checks and projections included.")


def _verdict(reached: bool) -> str:
    return "reached" if reached else "NOT reached"


if __name__ == "__main__":
    main()

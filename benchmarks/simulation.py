"""Speed and accuracy of the simulation, with ratios in one run.

python benchmarks/simulation.py            # a few minutes; sets by a sample of their matrices
python benchmarks/simulation.py --sets     # the whole 2D and 3D set of the study, as written
python benchmarks/simulation.py --scaling docs/images/simulation-scaling.png

Times are of this process with all its threads, medians of several rounds; a first round compiles.
"""

import argparse
import functools
import itertools
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numba
import numpy as np
from matplotlib.ticker import NullFormatter
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from series import series_moment
from smrestore.configuration import load_configuration
from smrestore.physics import (
    CalibrationGrid,
    Components,
    LocalFields,
    Particle,
    Sequence,
    Simulation,
    component_values,
    make_plan,
    mean_moment,
)
from smrestore.physics.parameters import SizeLimits, draw_cases, simulation_of
from smrestore.simulation.batches import (
    ComponentSelection,
    Resources,
    estimated_cost,
    simulate_batch,
)

ROOT = Path(__file__).parents[1]
DATASETS = load_configuration([ROOT / "config.yaml", ROOT / "config/paper.yaml"])["datasets"]


def seconds(function: Callable[[], object], rounds: int = 5) -> float:
    """Return the median time of some rounds, after one that is not counted."""
    function()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def core_seconds(function: Callable[[], object], rounds: int = 5) -> float:
    """Return the smallest processor time of some rounds, over all threads.

    Other programs on the machine disturb it less than the time that passes.
    """
    function()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def study_case(state: str = "fluid", dimension: int = 2, size: int = 30) -> Simulation:
    """Return a matrix in the middle of table 1: d = 21 nm, K = 3.2 kJ/m^3, A = 9.5 mT."""
    axis = (0.6, 0.48, 0.64)
    particle = Particle(21e-9, 3162.0, state, 0.8, axis)
    amplitude = (9.5e-3, 9.5e-3, 9.5e-3 if dimension == 3 else 0.0)
    grid = (size, size, size if dimension == 3 else 1)
    fov = (0.0285, 0.0285, 0.0142 if dimension == 3 else 0.0)
    sequence = Sequence(amplitude, (-1.0, -1.0, 2.0))
    return Simulation(particle, sequence, CalibrationGrid(grid, fov))


def some_components(simulation: Simulation, count: int) -> Components:
    everything = Components.all_of(simulation)
    chosen = np.sort(np.random.default_rng(0).choice(len(everything), count, replace=False))
    return Components(everything.channel[chosen], everything.frequency[chosen])


def by_itself(simulation: Simulation, positions: np.ndarray) -> LocalFields:
    """Return the fields at positions, each of which is then evaluated by itself."""
    static_field = simulation.sequence.static_field(positions)
    return LocalFields(static_field, np.ones_like(static_field))


def times_per_sample(simulation: Simulation, transform: str) -> tuple[float, float, float]:
    """Return the processor time of a sample in ns: by quadrature, by table, by table with mirrors.

    A matrix has as many samples as its voxels have nodes, or samples in time. Where voxels that
    mirror each other share them, each voxel still counts its own.
    """
    everywhere = simulation.grid.positions().reshape(-1, 3)
    components = some_components(simulation, 1000)

    def time_of(positions: np.ndarray, rounds: int, mirrors: bool, evaluator: str) -> float:
        fields = by_itself(simulation, positions)
        out = np.empty((len(positions), len(components)), np.float32)
        run = functools.partial(
            component_values,
            simulation,
            components,
            positions,
            fields=None if mirrors else fields,
            evaluator=evaluator,
            transform=transform,
            out=out,
        )
        n_samples = make_plan(simulation, positions, transform, fields).n_evaluations
        return 1e9 * core_seconds(run, rounds) / n_samples

    # In turn, so that all see the same machine.
    return (
        time_of(everywhere[::10], 3, False, "quadrature"),
        time_of(everywhere, 9, False, "table"),
        time_of(everywhere, 9, True, "table"),
    )


def evaluators() -> None:
    """Compare the evaluators of the moment per sample, through the same transform."""
    rows = []
    for state, transform in itertools.product(("fluid", "immobilized"), ("torus", "time")):
        quadrature, table, shared = times_per_sample(study_case(state), transform)
        ratios = quadrature / table, quadrature / shared
        rows.append([state, transform, quadrature, table, shared, *ratios])
    rng = np.random.default_rng(1)
    parallel, perpendicular = rng.uniform(-12, 12, 2000), rng.uniform(0.5, 12, 2000)
    along, across = series_moment(3.0, parallel, perpendicular)
    exact = mean_moment(3.0, parallel, perpendicular)
    error = max(np.abs(along - exact[0]).max(), np.abs(across - exact[1]).max())
    series = core_seconds(lambda: series_moment(3.0, parallel, perpendicular), 3) / len(parallel)
    print("Processor time per sample of the moment, transform and all else included, ns")
    headers = ["particles", "transform", "quadrature, 48 nodes", "table", "with mirrors"]
    headers += ["ratio", "with mirrors (>= 25)"]
    print(tabulate(rows, headers, floatfmt=".3g"))
    slowest = max(row[3] for row in rows) * 1e-9
    print(
        f"\nTruncated series of order 120, vectorized: {1e6 * series:.3g} us per moment (exact to "
        f"{error:.1g}), {series / slowest:.0f} times the slowest table (>= 1000)\n"
    )


def accuracy(n_draws: int = 40) -> None:
    """Compare the fast path with quadrature of all time samples."""
    rng = np.random.default_rng(7)
    errors = {"table, time samples": [], "quadrature, torus": [], "table, fastest": []}
    ways = zip(
        errors, (("table", "time"), ("quadrature", "fastest"), ("table", "fastest")), strict=True
    )
    ways = dict(ways)
    for case in draw_cases(
        n_draws, seed=7, dataset="errors", split="test", dimension=2, limits=SizeLimits((4, 64))
    ):
        simulation = simulation_of(case)
        components = Components.all_of(simulation)
        positions = simulation.grid.positions().reshape(-1, 3)
        largest = np.abs(component_values(simulation, components)).max()
        some = positions[rng.choice(len(positions), min(16, len(positions)), replace=False)]
        exact = component_values(
            simulation, components, some, evaluator="quadrature", transform="time"
        )
        for name, (evaluator, transform) in ways.items():
            fast = component_values(
                simulation, components, some, evaluator=evaluator, transform=transform
            )
            errors[name].append(np.abs(fast - exact).max() / largest)
    rows = [[name, np.median(e), np.max(e)] for name, e in errors.items()]
    print(f"Error of the spectrum over the largest component, {n_draws} draws of table 1 in 2D")
    print(tabulate(rows, ["", "median", "largest (<= 1e-8)"], floatfmt=".1e"), "\n")


def planar() -> None:
    """Time the matrix of the budget in 2D."""
    rows = []
    for state in ("fluid", "immobilized"):
        simulation = study_case(state)
        components = some_components(simulation, 1000)
        out = np.empty((simulation.grid.n_positions, len(components)), np.float32)
        plan = make_plan(simulation, simulation.grid.positions().reshape(-1, 3))
        time_ms = 1e3 * seconds(
            functools.partial(component_values, simulation, components, out=out), 25
        )
        rows.append([state, plan.n_evaluations / 900, time_ms])
    print(f"2D, 30 x 30, K = 1633, 3 coils, 1000 components, {numba.get_num_threads()} threads")
    print(tabulate(rows, ["particles", "evaluations/voxel", "ms (<= 40)"], floatfmt=".3g"), "\n")


def _spatial(queue: multiprocessing.Queue, state: str) -> None:
    simulation = study_case(state, 3, 27)
    case = {
        "name": state,
        "dimension": 3,
        "model": "anisotropy",
        "particle_state": state,
        "core_diameter_nm": 21.0,
        "anisotropy_constant_J_per_m3": 3162.0,
        "spatial_modulation": 0.8,
        "easy_axis": [0.6, 0.48, 0.64],
        "drive_amplitude_mT": [9.5, 9.5, 9.5],
        "gradient_T_per_m": [-1.0, -1.0, 2.0],
        "fov_mm": [28.5, 28.5, 14.2],
        "center_mm": [0.0, 0.0, 0.0],
        "size": [27, 27, 27],
        "dividers": [102, 96, 99],
        "base_frequency_Hz": 2.5e6,
        "sampling_rate_Hz": 5.0e6,
    }
    component_values(simulation, some_components(simulation, 10), np.zeros((1, 3)))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        simulate_batch(
            [case],
            Path(folder) / "000.h5",
            selection=ComponentSelection(1e-5, 4096),
            seed=1,
            resources=Resources(memory=1_500_000_000),
        )
        duration = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    queue.put((duration, peak))


def spatial() -> None:
    """Time the matrix of the budget in 3D, written and verified, in processes of their own."""
    rows = []
    context = multiprocessing.get_context("spawn")
    for state in ("fluid", "immobilized"):
        queue = context.Queue()
        process = context.Process(target=_spatial, args=(queue, state))
        process.start()
        duration, peak = queue.get()
        process.join()
        simulation = study_case(state, 3, 27)
        positions = simulation.grid.positions().reshape(-1, 3)[::7]
        evaluations = make_plan(simulation, positions).n_evaluations / len(positions)
        rows.append([state, evaluations, duration, peak / 2**30])
    print("3D, 27 x 27 x 27, K = 53 857, 3 coils, 4096 components kept, written and verified")
    headers = ["particles", "evaluations/voxel", "s (<= 60)", "peak GiB (<= 2)"]
    print(tabulate(rows, headers, floatfmt=".3g"), "\n")


def sets(whole: bool) -> None:
    """Time the sets of the study, or a sample of them."""
    rows = []
    for name, sample, budget_s, budget_gib in (
        ("lissajous-2d", 80, 300, 4.0),
        ("lissajous-3d", 4, 3600, np.inf),
    ):
        entry = DATASETS[name]
        grid, sequence = entry["grid"], entry["sequence"]
        cases = []
        for split, count in entry["matrices"].items():
            cases += draw_cases(
                count,
                seed=2026,
                dataset=name,
                split=split,
                dimension=entry["dimension"],
                limits=SizeLimits(
                    (grid["minimum_size"], grid["maximum_size"]),
                    tuple(grid.get("average_size", (0.0, np.inf))),
                ),
                sampling_rate=sequence["sampling_rate_Hz"],
            )
        cost = sum(estimated_cost(case) for case in cases)
        chosen = cases if whole else cases[:: len(cases) // sample]
        share = sum(estimated_cost(case) for case in chosen) / cost
        voxels = sum(int(np.prod(case["size"])) for case in cases)
        voxel_share = sum(int(np.prod(case["size"])) for case in chosen) / voxels
        size = 0
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            for first in range(0, len(chosen), entry["batch_size"]):
                path = Path(folder) / f"{first}.h5"
                simulate_batch(
                    chosen[first : first + entry["batch_size"]],
                    path,
                    selection=ComponentSelection(**entry["components"]),
                    seed=2026,
                    resources=Resources(memory=1_500_000_000),
                )
                size += path.stat().st_size
                path.unlink()
        duration = (time.perf_counter() - start) / share
        rows.append(
            [
                name,
                len(cases),
                "all" if whole else f"{len(chosen)} ({100 * share:.0f} %)",
                duration / 60,
                budget_s / 60,
                size / voxel_share / 2**30,
                budget_gib,
            ]
        )
    print("Sets of the study, simulated, written and verified")
    headers = ["set", "matrices", "run", "minutes", "budget", "GiB", "budget"]
    print(tabulate(rows, headers, floatfmt=".3g"), "\n")


def limits() -> None:
    """Compare the arithmetic of a 3D matrix with what the machine reaches on one core."""
    square = np.random.default_rng(0).normal(size=(1000, 1000))
    with threadpool_limits(1):
        ceiling = 2e9 / core_seconds(lambda: square @ square)
    source, target = np.ones(2**25), np.empty(2**25)
    bandwidth = 2 * source.nbytes / seconds(lambda: np.copyto(target, source))
    rows = [["large matrix product (ceiling)", ceiling / 1e9, None, None]]
    for dimension, size in ((2, 30), (3, 9)):
        simulation = study_case("immobilized", dimension, size)
        positions = simulation.grid.positions().reshape(-1, 3)
        components = some_components(simulation, 1000)
        out = np.empty((len(positions), len(components)), np.float32)
        run = functools.partial(
            component_values, simulation, components, positions, out=out, threads=1
        )
        duration = core_seconds(functools.partial(run, transform="torus"), 5)
        plan = make_plan(simulation, positions, "torus")
        # Polynomials 160, field 25, cell 8, moment 9; sums and products with half matrices.
        evaluation = 200 * plan.n_evaluations
        products = sum(
            3 * len(group.places) * np.prod(group.counts) * (sum(group.counts) + 3)
            for group in plan.groups
        )
        work = evaluation + products
        share = 100 * evaluation / work
        rows.append([f"{dimension}D, all included", work / duration / 1e9, share, work / len(out)])
    print("Arithmetic on the torus, one thread")
    headers = ["", "GFlop/s", "% to evaluate", "Flop/voxel"]
    print(tabulate(rows, headers, floatfmt=".3g"))
    print(f"Memory is copied at {bandwidth / 1e9:.3g} GB/s.\n")


def scaling(path: Path) -> None:
    """Draw the time against positions, samples and threads."""
    figure, axes = plt.subplots(1, 3, figsize=(6.7, 2.4), layout="constrained")
    colors = {"fluid": "#0072B2", "immobilized": "#D55E00"}
    all_threads = numba.get_num_threads()
    marker = {"markersize": 3}
    for state, color in colors.items():
        times, counts = [], []
        for size in (8, 12, 17, 24, 34, 48):
            simulation = study_case(state, 2, size)
            components = some_components(simulation, 1000)
            out = np.empty((size**2, 1000), np.float32)
            run = functools.partial(component_values, simulation, components, out=out)
            times.append(seconds(run))
            counts.append(size**2)
        axes[0].loglog(counts, 1e3 * np.array(times), "o-", color=color, label=state, **marker)
        for transform, style in (("torus", "o-"), ("time", "s--")):
            times, strengths = [], []
            for amplitude in (2e-3, 4e-3, 6e-3, 9e-3, 13e-3):
                base = study_case(state)
                sequence = Sequence((amplitude, amplitude, 0.0), (-1.0, -1.0, 2.0))
                fov = (3 * amplitude, 3 * amplitude, 0.0)
                grid = CalibrationGrid((20, 20, 1), fov)
                simulation = Simulation(base.particle, sequence, grid)
                components = some_components(simulation, 1000)
                out = np.empty((400, 1000), np.float32)
                run = functools.partial(component_values, simulation, components, out=out)
                times.append(seconds(functools.partial(run, transform=transform)) / 400)
                strengths.append(base.particle.beta * amplitude)
            label = f"{state}, {transform}"
            axes[1].plot(
                strengths, 1e6 * np.array(times), style, color=color, label=label, **marker
            )
        simulation = study_case(state, 2, 48)
        components = some_components(simulation, 1000)
        out = np.empty((48**2, 1000), np.float32)
        threads = range(1, all_threads + 1)
        run = functools.partial(component_values, simulation, components, out=out)
        times = [seconds(functools.partial(run, threads=n), 7) for n in threads]
        axes[2].plot(
            threads, times[0] / np.array(times), "o-", color=color, label=state, markersize=3
        )
    axes[2].plot([1, all_threads], [1, all_threads], color="0.6", linewidth=0.8, label="ideal")
    axes[0].set(xlabel="voxels (2D, K = 1633)", ylabel="time (ms)", ylim=(5, 200))
    axes[0].yaxis.set_minor_formatter(NullFormatter())
    axes[1].set(xlabel="drive field $m_0 A / (k_B T)$", ylabel="time per voxel (µs)", ylim=(0, 220))
    axes[2].set(xlabel="threads", ylabel="speed-up", xticks=list(threads))
    for ax, letter in zip(axes, "abc", strict=True):
        ax.set_title(letter, loc="left", fontweight="bold", fontsize=8)
        ax.legend(fontsize=5.5, frameon=False)
        ax.tick_params(labelsize=6.5)
        ax.xaxis.label.set_size(7)
        ax.yaxis.label.set_size(7)
    figure.savefig(path, dpi=200)
    print(f"{path}: written")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", action="store_true", help="simulate the whole sets of the study")
    parser.add_argument("--scaling", type=Path, metavar="PICTURE", help="only draw the scaling")
    arguments = parser.parse_args()
    if arguments.scaling:
        scaling(arguments.scaling)
        return
    evaluators()
    accuracy()
    planar()
    spatial()
    limits()
    sets(arguments.sets)


if __name__ == "__main__":
    main()

"""What limits the restoration of a component: networks beside the best parametric fit.

    python benchmarks/limits.py                    # after make run
    python benchmarks/limits.py --components 6 --weights results/models/unet-canonical
    python benchmarks/limits.py --only-weights --weights results/models/{unet-canonical,rate-half}

A simulated component follows from few parameters: those of table 1 of the study that its particle
has, and a complex factor. The least error that any estimate can have on average which knows their
ranges, but not their values, is

    E = trace(J (2 J^T J / sigma^2 + P^-1)^-1 J^T) / N,

linearized around the truth (van Trees 1968, section 2.4.3), with the derivatives J of the image by
the parameters, the complex noise of standard deviation sigma, the variances P of the ranges, and N
voxels. It is one component's own: nothing is known of the others, which share its parameters.

The table has mean PSNR in dB at one noise level on the same components of the test set, by grids
and mixing orders. Rows change one thing at a time. The last column compares further networks with
the first of them, component by component; it does not know how trainings with other seeds differ.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from smrestore.methods import load_method
from smrestore.metrics import confidence_interval, psnr
from smrestore.networks.cards import DENOISER, shipped_weights
from smrestore.noise import NoisePool
from smrestore.physics.parameters import Case, simulation_of
from smrestore.physics.spectrum import Components, component_values
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.seeds import generator
from smrestore.tasks.degradation import Degraded, scale_to_sigma

SEED = 2026
STEP = 1e-4
"""Of finite differences, as a share of the range of a parameter."""


def _vary(key: str, place: int | None = None) -> Callable[[Case, float], Case]:
    def changed(case: Case, by: float) -> Case:
        value = case[key] if place is None else list(case[key])
        if place is None:
            return {**case, key: value + by}
        value[place] += by
        if key == "gradient_T_per_m":
            value[2] -= by
        return {**case, key: value}

    return changed


# Standard deviations of the ranges of table 1; a uniform range of width w has w / sqrt(12).
UNKNOWNS = [
    ("core_diameter_nm", _vary("core_diameter_nm"), 2.6),
    ("anisotropy_constant_J_per_m3", _vary("anisotropy_constant_J_per_m3"), 2500.0),
    *((f"drive {i}", _vary("drive_amplitude_mT", i), 2.6) for i in (0, 1)),
    *((f"gradient {i}", _vary("gradient_T_per_m", i), 0.40) for i in (0, 1)),
    *((f"center {i}", _vary("center_mm", i), 10.0) for i in (0, 1)),
]
FLUID = [("modulation", _vary("spatial_modulation"), 0.29)]
IMMOBILIZED = [(f"axis {i}", _vary("easy_axis", i), 0.58) for i in range(3)]


@dataclass(frozen=True)
class Item:
    """A component: truth of unit maximum (Nx, Ny, 1), best error, voxels and mixing order."""

    truth: np.ndarray
    bound: float
    order: int
    matrix: int
    index: int


def images_of(case: Case, components: Components) -> np.ndarray:
    """Return the images of components, complex (n, N)."""
    return component_values(simulation_of(case), components).T


def bounds(case: Case, components: Components, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return images of unit maximum (n, N), and the least mean square error of each (n,)."""
    truth = images_of(case, components)
    peak = np.abs(truth).max(axis=1, keepdims=True)
    unknown = UNKNOWNS + (FLUID if case["particle_state"] == "fluid" else IMMOBILIZED)
    columns, variances = [], []
    for _, change, deviation in unknown:
        step = STEP * deviation
        up, down = (images_of(change(case, sign * step), components) for sign in (1, -1))
        columns.append((up - down) / (2 * step * peak))
        variances.append(deviation**2)
    image = truth / peak
    # A complex factor of unknown size and phase.
    columns += [image, 1j * image]
    variances += [1.0, 10.0]
    errors = []
    for k in range(len(image)):
        jacobian = np.stack([np.r_[c[k].real, c[k].imag] for c in columns], axis=1)
        scaled = jacobian * np.sqrt(variances)
        information = 2 * scaled.T @ scaled / sigma**2 + np.eye(scaled.shape[1])
        errors.append(np.trace(np.linalg.solve(information, scaled.T @ scaled)) / image.shape[1])
    return image, np.array(errors)


def choose(store: SystemMatrixStore, per_matrix: int, sigma: float) -> list[Item]:
    """Return components of the test split with their bounds."""
    items = []
    for matrix in tqdm(range(len(store)), desc="bounds", unit="matrix"):
        rng = generator(SEED, "limits", matrix)
        count = min(per_matrix, store.n_components(matrix))
        chosen = np.sort(rng.choice(store.n_components(matrix), count, replace=False))
        read = [store.read(matrix, int(index)) for index in chosen]
        components = Components(
            np.array([c.channel for c in read]), np.array([c.frequency for c in read])
        )
        images, errors = bounds(store.parameters(matrix), components, sigma)
        shape = store.shape(matrix)
        for index, component, image, error in zip(chosen, read, images, errors, strict=True):
            order = int(np.abs(component.mixing_order).sum())
            items.append(Item(image.reshape(shape), error, order, matrix, int(index)))
    return items


def noise_of(item: Item, pool: NoisePool | None, component: object) -> np.ndarray:
    """Return complex noise of unit deviation: white, or of the pool."""
    rng = generator(SEED, "limits noise", item.matrix, item.index)
    if pool is None:
        real, imaginary = rng.normal(size=(2, *item.truth.shape)) / np.sqrt(2)
        return real + 1j * imaginary
    drawn = pool.draw_image(component.channel, component.frequency, item.truth.shape, rng)
    return scale_to_sigma(drawn, 1.0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--dataset", default="lissajous-2d")
    parser.add_argument("--components", type=int, default=4, help="of each matrix")
    parser.add_argument("--sigma", type=float, default=0.1)
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="further networks")
    parser.add_argument("--only-weights", action="store_true", help="without those of the package")
    options = parser.parse_args()
    sigma = options.sigma
    results, dataset = options.results, options.dataset
    store = SystemMatrixStore(sorted((results / f"system_matrices/{dataset}/test").glob("*.h5")))
    items = choose(store, options.components, sigma)
    pool = NoisePool(results / "noise/test.h5")
    given = {
        name: [
            (item.truth + sigma * noise_of(item, source, store.read(item.matrix, item.index)))
            for item in items
        ]
        for name, source in (("white", None), ("pool", pool))
    }
    unet = shipped_weights(DENOISER)
    full = {"within_noise": 3.0, "ensemble": ["phases"]}
    rows = {
        "measured": ("pool", None),
        "DCT-F": ("pool", load_method({"method": "dct-filter", "omega": 2.75}, None)),
        "U-Net of the package": ("pool", load_method(None, unet, inference=full)),
        "the same, white noise": ("white", load_method(None, unet, inference=full)),
        "one sign of the phase": ("pool", load_method(None, unet, inference={"within_noise": 3.0})),
        "not held within the noise": (
            "pool",
            load_method(None, unet, inference={"ensemble": ["phases"]}),
        ),
        "told half of the noise": ("pool", _told(load_method(None, unet, inference=full), 0.5)),
        "told twice the noise": ("pool", _told(load_method(None, unet, inference=full), 2.0)),
    }
    if options.only_weights:
        rows = {name: rows[name] for name in ("measured", "DCT-F")}
    for path in options.weights:
        rows[path.name] = ("pool", load_method(None, path / "weights.safetensors"))
    voxels = np.array([item.truth.size for item in items])
    orders = np.array([item.order for item in items])
    groups = {
        "all": np.ones(len(items), bool),
        "up to 200 voxels": voxels <= 200,
        "201 to 500": (voxels > 200) & (voxels <= 500),
        "more": voxels > 500,
        "orders up to 6": orders <= 6,
        "7 to 12": (orders > 6) & (orders <= 12),
        "above": orders > 12,
    }
    table = [{"": "components", **{name: f"{some.sum()}" for name, some in groups.items()}}]
    first = None
    for name, (noise, method) in rows.items():
        images = given[noise] if method is None else restore(method, given[noise], sigma)
        found = np.array([psnr(i, item.truth) for i, item in zip(images, items, strict=True)])
        row = {"": name, **{g: float(found[some].mean()) for g, some in groups.items()}}
        if first is not None:
            row[f"minus {options.weights[0].name}"] = difference(found - first)
        elif options.weights and name == options.weights[0].name:
            first = found
        table.append(row)
    # The PSNR of complex images counts the mean of the errors of real and imaginary part.
    best = np.array([10 * np.log10(2 / item.bound) for item in items])
    table.append({"": "bound", **{g: float(best[some].mean()) for g, some in groups.items()}})
    print(f"\nMean PSNR in dB at sigma {sigma:g}")
    print(tabulate(table, headers="keys", floatfmt=".2f", tablefmt="pipe"))


def difference(values: np.ndarray) -> str:
    """Return the mean of differences of components, and half its 95 % confidence interval."""
    interval = confidence_interval(values)
    return f"{interval.mean:+.2f} ± {interval.ci95:.2f}"


def _told(method: Callable, share: float) -> Callable:
    """Return a method that is told this share of the noise."""

    def told(batch: Sequence[Degraded]) -> list[np.ndarray]:
        return method([replace(item, sigma=share * item.sigma) for item in batch])

    return told


def restore(method: Callable, images: Sequence[np.ndarray], sigma: float) -> list[np.ndarray]:
    """Return restored images in the units of the given ones."""
    peaks = [float(np.abs(image).max()) for image in images]
    batch = [
        Degraded((image / peak).astype(np.complex64), sigma / peak)
        for image, peak in zip(images, peaks, strict=True)
    ]
    return [image * peak for image, peak in zip(method(batch), peaks, strict=True)]


if __name__ == "__main__":
    main()

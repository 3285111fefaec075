"""Print all classical rows of tables 2 to 5 under every noise convention, beside the study's.

Classical methods need no training, so they tell what the study may have meant by sigma, how its
interpolation put its samples, and what its noise was like. Four noises: sigma as standard deviation
of the complex noise or of each channel, white noise or with a drift on top of it (as strong as the
white part, forgotten over 200 positions in the order of acquisition). PSNR in dB, mean and 95 %
confidence interval over components.

`python benchmarks/classical_rows.py --scale 3` takes three times as many matrices.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.signal

from smrestore.evaluation.tables import read_published
from smrestore.methods import dct_filter
from smrestore.methods.biharmonic import inpaint_biharmonic
from smrestore.methods.spline import spline_upsample
from smrestore.metrics import confidence_interval, psnr
from smrestore.physics.parameters import SizeLimits, draw_cases
from smrestore.simulation.batches import ComponentSelection, simulate_matrix
from smrestore.support.progress import progress_bar
from smrestore.support.seeds import generator
from smrestore.tasks.degradation import SIGMA_CONVENTIONS, complex_sigma, scale_to_sigma
from smrestore.tasks.masks import random_mask

ROOT = Path(__file__).parents[1]
SEED = 2026
NOISES = ("white", "drift")
CORRELATION = 200.0
SIZE_BINS = ((12, 18), (18, 24), (24, 30))
SIGMAS = {2: (0.06, 0.1, 0.2, 0.3), 3: (0.0, 0.1), 4: (0.0, 0.1), 5: (0.0, 0.1)}
RATIO = 0.1
COMPONENTS = 20
"""Of each matrix."""
MATRICES = {"2D": 16, "2D, four times as fine": 6, "3D": 2}
"""Per scale; in 3D of each size bin."""


def noise(shape: tuple[int, ...], kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return noise of unit deviation, laid on the grid with x fastest, complex (Nx, Ny, Nz)."""
    count = int(np.prod(shape))
    run = rng.normal(size=count) + 1j * rng.normal(size=count)
    if kind == "drift":
        keep = np.exp(-1 / CORRELATION)
        steps = rng.normal(size=count) + 1j * rng.normal(size=count)
        steps[1:] *= np.sqrt(1 - keep**2)
        run = run + scipy.signal.lfilter([1], [1, -keep], steps)
    return scale_to_sigma(run - run.mean(), 1.0).reshape(shape, order="F")


def truths(name: str, count: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield matrix, size bin and components of unit maximum with a random phase."""
    dimension, refinement = int(name[0]), 4 if "fine" in name else 1
    bins = SIZE_BINS if dimension == 3 else (None,)
    for size_bin in bins:
        average = size_bin or (0.0, np.inf)
        cases = draw_cases(
            count,
            seed=SEED,
            dataset=f"classical rows {name} {size_bin}",
            split="test",
            dimension=dimension,
            limits=SizeLimits((4, 48) if dimension == 3 else (4, 64), average),
            refinement=refinement,
        )
        for i, case in enumerate(progress_bar(cases, desc=f"{name} {size_bin or ''}")):
            matrix = simulate_matrix(case, ComponentSelection(1e-5, COMPONENTS), seed=SEED)
            images = matrix.components[:]
            rng = generator(SEED, "classical phase", name, str(size_bin), i)
            phase = np.exp(2j * np.pi * rng.random((len(images), 1, 1, 1)))
            label = f"({size_bin[0]}, {size_bin[1]}]" if size_bin else "all"
            yield f"{size_bin} {i}", label, images * phase


Restore = Callable[[np.ndarray, float, Callable[[np.ndarray], np.ndarray]], np.ndarray]
"""From truth, sigma and a function that adds noise to an image, to the restored image."""


def filtered(truth: np.ndarray, sigma: float, add: Callable) -> np.ndarray:
    """Denoise by DCT-F, which is told the deviation of the complex noise."""
    return dct_filter(add(truth), sigma)


def interpolated(factor: int, alignment: str) -> Restore:
    """Decimate, add noise, interpolate."""

    def restore(truth: np.ndarray, sigma: float, add: Callable) -> np.ndarray:
        steps = tuple(slice(None, None, factor if n > 1 else 1) for n in truth.shape)
        return spline_upsample(add(truth[steps]), factor, truth.shape, alignment=alignment)

    return restore


def inpainted(truth: np.ndarray, sigma: float, add: Callable) -> np.ndarray:
    """Leave out a run of voxels of the noisy image."""
    # The mask of a component is the same for all noises.
    rng = generator(SEED, "classical mask", float(np.abs(truth).sum()).hex())
    return inpaint_biharmonic(add(truth), random_mask(truth.shape, RATIO, rng))


METHODS = {
    ("2D", 2, "dct-f", None): filtered,
    ("2D", 4, "bicubic", 2): interpolated(2, "aligned"),
    ("2D", 4, "bicubic, half-pixel", 2): interpolated(2, "half-pixel"),
    ("2D, four times as fine", 4, "bicubic", 2): interpolated(2, "aligned"),
    ("2D, four times as fine", 4, "bicubic", 4): interpolated(4, "aligned"),
    ("2D, four times as fine", 4, "bicubic, half-pixel", 2): interpolated(2, "half-pixel"),
    ("2D, four times as fine", 4, "bicubic, half-pixel", 4): interpolated(4, "half-pixel"),
    ("3D", 2, "dct-f", None): filtered,
    ("3D", 3, "tricubic", 2): interpolated(2, "aligned"),
    ("3D", 3, "tricubic, half-pixel", 2): interpolated(2, "half-pixel"),
    ("3D", 5, "biharmonic", None): inpainted,
}


def rows(scale: int) -> pd.DataFrame:
    """Return the PSNR of every component, method, sigma and noise."""
    records = []
    for name, count in MATRICES.items():
        methods = {key: restore for key, restore in METHODS.items() if key[0] == name}
        for matrix, size_bin, images in truths(name, scale * count):
            for component, truth in enumerate(images):
                for (_, table, method, factor), restore in methods.items():
                    for sigma, convention, kind in conditions(table):
                        true_sigma = complex_sigma(sigma, convention)

                        def add(image, kind=kind, true_sigma=true_sigma, item=(matrix, component)):
                            if true_sigma == 0:
                                return image
                            rng = generator(SEED, "classical noise", name, kind, *item)  # noqa: B023
                            return image + true_sigma * noise(image.shape, kind, rng)

                        records.append(
                            {
                                "table": table,
                                "grid": name,
                                "method": method,
                                "scale": factor,
                                "size": size_bin,
                                "sigma": sigma,
                                "noise": f"{convention}, {kind}" if sigma else "none",
                                "psnr": psnr(restore(truth, true_sigma, add), truth),
                            }
                        )
    return pd.DataFrame(records)


def conditions(table: int) -> Iterator[tuple[float, str, str]]:
    """Yield sigma, convention and kind of noise; one of each where there is no noise."""
    for sigma in SIGMAS[table]:
        if sigma == 0:
            yield sigma, SIGMA_CONVENTIONS[0], NOISES[0]
            continue
        for convention in SIGMA_CONVENTIONS:
            for kind in NOISES:
                yield sigma, convention, kind


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=int, default=1, help="multiplies the number of matrices")
    results = rows(parser.parse_args().scale)
    # As in the study, "all" are the components of all sizes.
    binned = results[results["table"].isin([3, 5])]
    results.loc[(results["table"] == 2), "size"] = "all"
    results = pd.concat([results, binned.assign(size="all")])
    published = read_published(ROOT / "workflow/published/tables.csv")
    published = published[published["metric"] == "psnr"]
    columns = [f"{c}, {n}" for c in SIGMA_CONVENTIONS for n in NOISES]
    lines = []
    keys = ["table", "grid", "method", "scale", "size", "sigma"]
    for values, group in results.groupby(keys, sort=False, dropna=False):
        line = dict(zip(keys, values, strict=True))
        known = published[
            (published["table"] == line["table"])
            & (published["dimension"] == int(line["grid"][0]))
            & (published["method"] == line["method"].partition(",")[0])
            & (published["sigma"] == line["sigma"])
            & (published["size_range"] == line["size"])
            & (published["scale"].fillna(0) == (0 if pd.isna(line["scale"]) else line["scale"]))
        ]
        line["scale"] = "" if pd.isna(line["scale"]) else f"x{int(line['scale'])}"
        line["n"] = group.groupby("noise").size().iloc[0]
        for noise_name, part in group.groupby("noise"):
            mean, ci95, _ = confidence_interval(part["psnr"].to_numpy())
            for column in columns if noise_name == "none" else [noise_name]:
                line[column] = f"{mean:.1f} ± {ci95:.1f}"
        line["study"] = f"{known['mean'].iloc[0]:.1f}" if len(known) else ""
        lines.append(line)
    table = pd.DataFrame(lines).sort_values("table", kind="stable")
    print(table[[*keys, "n", *columns, "study"]].to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()

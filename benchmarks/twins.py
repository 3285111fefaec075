"""Print what twin frequencies gain in dB against the single component, alone and before DCT-F.

On simulated equilibrium matrices with white noise, and on calibrations of the virtual scanner: with
relaxation, a background, and noise that is not white, but with known truth.
"""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from smrestore import mdf
from smrestore.configuration import load_configuration
from smrestore.methods import dct_filter
from smrestore.methods.twins import TwinCombination, combine_twins
from smrestore.physics import CalibrationGrid, Particle, Sequence, Simulation, mixing_orders
from smrestore.physics.mixing import total_order
from smrestore.physics.spectrum import Components, component_values
from smrestore.scanner import load_grid, load_scanner, load_sequence, scan_calibration
from smrestore.support.seeds import generator

ROOT = Path(__file__).parents[1]
PARTICLE = Particle(core_diameter=20e-9, anisotropy_constant=3500.0, state="fluid")
SIMULATIONS = {
    "2D": Simulation(
        PARTICLE,
        Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0)),
        CalibrationGrid((21, 19, 1), (0.034, 0.030, 0.0)),
    ),
    "3D": Simulation(
        PARTICLE,
        Sequence((0.012, 0.012, 0.012), (-1.0, -1.0, 2.0), sampling_rate=2.5e6),
        CalibrationGrid((13, 12, 11), (0.034, 0.030, 0.017)),
    ),
}
LARGEST_ORDER = {"2D": 16, "3D": 8}
SIGMA = 0.1
"""Of simulated components with unit maximum."""
SCANS = {
    "2D, 10 averages": ("virtual", "lissajous-xy", "snake", 10, None),
    "3D, 100 averages": ("virtual-3d", "lissajous-xyz", "resolution", 100, 8),
}
CHANNELS = (0, 1)
SNR_CLASSES = (0.3, 1, 3, 10, 30, np.inf)
BASELINE_SIGMA_FACTOR = 0.3
"""DCT-F of measured data is told the noise of the background frames times this, as in the study."""


def psnr(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the PSNR of components (n, Nx, Ny, Nz) in dB, two channels, peak of the truth."""
    peak = np.abs(truth).max(axis=(1, 2, 3))
    error = np.mean(np.abs(images - truth) ** 2, axis=(1, 2, 3)) / 2
    return 10 * np.log10(peak**2 / error)


def filtered(images: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the components after DCT-F."""
    return np.stack([dct_filter(image, s) for image, s in zip(images, sigma, strict=True)])


def compare(
    images: np.ndarray, noise: np.ndarray, truth: np.ndarray, result: TwinCombination, factor: float
) -> pd.DataFrame:
    """Return a row per component."""
    return pd.DataFrame(
        {
            "SNR": np.abs(truth).max(axis=(1, 2, 3)) / noise,
            "twins": result.n_twins,
            "single": psnr(images, truth),
            "with twins": psnr(result.images, truth),
            "single, DCT-F": psnr(filtered(images, factor * noise), truth),
            "with twins, DCT-F": psnr(filtered(result.images, factor * result.noise), truth),
        }
    )


def summary(rows: pd.DataFrame, by: list | pd.Series) -> str:
    """Return mean PSNR and gains of groups of components as Markdown, and a low quantile."""
    rows = rows.assign(
        **{
            "gain": rows["with twins"] - rows["single"],
            "gain after DCT-F": rows["with twins, DCT-F"] - rows["single, DCT-F"],
        }
    )
    groups = rows.groupby(by, observed=True)
    means = groups.mean()
    means.insert(0, "components", groups.size())
    means["gain, lowest 5 %"] = groups["gain"].quantile(0.05)
    return means.round(2).drop(columns=[n for n in ("SNR",) if n in means]).to_markdown()


def simulated(dimension: str) -> pd.DataFrame:
    """Return rows of components of one channel with noise of SIGMA each."""
    simulation = SIMULATIONS[dimension]
    orders = mixing_orders(simulation.sequence)
    chosen = np.flatnonzero(
        np.isin(total_order(orders), np.arange(1, LARGEST_ORDER[dimension] + 1))
    )
    positions = simulation.grid.positions().reshape(-1, 3)
    truth = component_values(simulation, Components(0 * chosen, chosen), positions).T
    kept = np.linalg.norm(truth, axis=1) > 1e-5 * np.linalg.norm(truth, axis=1).max()
    truth = truth[kept].reshape(-1, *simulation.grid.size).astype(np.complex128)
    truth /= np.abs(truth).max(axis=(1, 2, 3), keepdims=True)
    rng = generator(1, "benchmark twins", dimension)
    noise = (rng.normal(size=truth.shape) + 1j * rng.normal(size=truth.shape)) / np.sqrt(2)
    noisy, sigma = truth + SIGMA * noise, np.full(len(truth), SIGMA)
    result = combine_twins(noisy, sigma, orders[chosen][kept])
    return compare(noisy.astype(np.complex64), sigma, truth, result, 1.0)


def measured(name: str, config: dict, folder: Path) -> pd.DataFrame:
    """Return rows of all components with signal of a virtual calibration scan."""
    scanner, sequence, grid, averages, max_order = SCANS[name]
    sequence = load_sequence(config["sequences"][sequence])
    path, truth_path = folder / "scan.mdf", folder / "truth.h5"
    scan_calibration(
        path,
        truth_path,
        load_scanner(scanner, config["scanners"][scanner]),
        sequence,
        load_grid(config["grids"][grid]),
        averages=averages,
        seed=config["seed"],
        max_mixing_order=max_order,
    )
    matrix, noise = mdf.read_system_matrix(path), mdf.corrected_noise(path)
    with h5py.File(truth_path) as file:
        truth, frequency = file["system_matrix"][()], file["frequency"][()]
    orders = mixing_orders(sequence)[frequency]
    parts = []
    for channel in CHANNELS:
        result = combine_twins(matrix[channel], noise[channel], orders)
        snr = np.abs(truth[channel]).max(axis=(1, 2, 3)) / np.maximum(noise[channel], 1e-30)
        some = np.flatnonzero((snr > SNR_CLASSES[0]) & (noise[channel] > 0))
        part = TwinCombination(result.images[some], result.noise[some], result.n_twins[some])
        parts.append(
            compare(
                matrix[channel][some],
                noise[channel][some],
                truth[channel][some],
                part,
                BASELINE_SIGMA_FACTOR,
            )
        )
    return pd.concat(parts)


def main() -> None:
    """Print the tables."""
    for dimension in SIMULATIONS:
        rows = simulated(dimension)
        print(f"\nsimulated, {dimension}, sigma {SIGMA}: mean PSNR in dB by the number of twins\n")
        print(summary(rows, [rows["twins"].rename("by twins")]))
    config = load_configuration([ROOT / "config.yaml"])
    for name in SCANS:
        with tempfile.TemporaryDirectory() as folder:
            rows = measured(name, config, Path(folder))
        print(f"\nvirtual scanner, {name}: mean PSNR in dB against the truth, by its peak SNR\n")
        print(summary(rows, [pd.cut(rows["SNR"], SNR_CLASSES).rename("peak SNR")]))


if __name__ == "__main__":
    main()

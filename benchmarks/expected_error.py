"""How far expected errors of restored components are right, against the truth of virtual scans.

    python benchmarks/expected_error.py                                  # after make run
    python benchmarks/expected_error.py results/scans/spiral-calibration.mdf

Each scan is restored without a given method. By signal-to-noise ratio of what was measured: PSNR in
dB of measured and of restored components, the PSNR that was expected, and the share of components
that the fitted physics restored. Then the network alone, after averaging twins: its error over the
noise, from which :data:`smrestore.restoration.automatic.REMAINING` was taken.
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import h5py
import numpy as np
from tabulate import tabulate

from smrestore import mdf
from smrestore.methods import load_method
from smrestore.networks.cards import DENOISER, shipped_weights
from smrestore.restoration.automatic import INFERENCE, METHODS, restore_automatically
from smrestore.restoration.scan import restore_scan

SCANS = ("snake-calibration", "spiral-calibration", "resolution-calibration")
CLASSES = (0, 3, 5, 10, 20, 50, 100, 200, 500, np.inf)


def deviation(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the root mean square error of each component."""
    return np.sqrt(np.mean(np.abs(images - truth) ** 2, axis=(-3, -2, -1)))


def measure(scan: Path, folder: Path) -> None:
    """Restore a scan in both ways and print the tables."""
    chosen = restore_automatically(scan, folder / "automatic.mdf")
    network = load_method(None, shipped_weights(DENOISER), inference=INFERENCE)
    restore_scan(scan, folder / "network.mdf", network, name="network", twins=True)
    measured = mdf.read_system_matrix(scan, background="interpolate")
    with h5py.File(scan.with_suffix(".truth.h5")) as file:
        truth = file["system_matrix"][()].reshape(measured.shape)
    peak = np.abs(truth).max(axis=(-3, -2, -1))
    noise = chosen.summary.noise[0]
    snr = chosen.summary.peak[0] / noise
    errors = {
        "measured": deviation(measured, truth),
        "restored": deviation(mdf.read_system_matrix(folder / "automatic.mdf"), truth),
        "expected": chosen.expected_error[0],
    }
    by_network = deviation(mdf.read_system_matrix(folder / "network.mdf"), truth) / noise
    rows = []
    for low, high in itertools.pairwise(CLASSES):
        some = (snr >= low) & (snr < high) & (peak > 0)
        if not some.any():
            continue
        row = {"SNR": f"{low:g} to {high:g}", "components": int(some.sum())}
        for name, error in errors.items():
            known = error[some] > 0
            values = 20 * np.log10(peak[some][known] / error[some][known])
            row[f"{name} (dB)"] = float(np.mean(values)) if len(values) else np.nan
        row["by fitted physics (%)"] = 100 * float(np.mean(chosen.method[0][some] == 2))
        row["network / noise"] = float(np.sqrt(np.mean(by_network[some] ** 2)))
        row["measured / noise"] = float(np.sqrt(np.mean((errors["measured"] / noise)[some] ** 2)))
        rows.append(row)
    print(f"\n{scan.stem}, components by {', '.join(METHODS)}:")
    print(tabulate(rows, headers="keys", floatfmt=".2f"))


def main() -> None:
    """Measure all scans."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    results = Path("results/scans")
    parser.add_argument("scans", nargs="*", type=Path, help="virtual calibrations with truth")
    scans = parser.parse_args().scans or [results / f"{name}.mdf" for name in SCANS]
    for scan in scans:
        with tempfile.TemporaryDirectory() as folder:
            measure(scan, Path(folder))


if __name__ == "__main__":
    main()

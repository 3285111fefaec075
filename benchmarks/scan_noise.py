"""Noise of virtual calibration scans: what their background frames tell of it, and the true one.

Of a finished run (`results/scans`): for each denoised or restored calibration, the noise of its
scored components by the standard deviation of the background frames and by
:func:`smrestore.mdf.corrected_noise`, over the root mean square difference from the truth.
"""

import argparse
from pathlib import Path

import numpy as np
from tabulate import tabulate

from smrestore import mdf
from smrestore.configuration import load_configuration
from smrestore.evaluation.transfer.rows import load_reconstruction_settings, scored_rows
from smrestore.reconstruction.calibration_rows import read_rows, request

QUANTILES = (0.1, 0.5, 0.9)


def row_of(name: str, entry: dict, scans: Path, original: str) -> dict[str, object]:
    """Return the ratios of one measurement."""
    path = scans / f"{entry['calibration']}.mdf"
    rows = scored_rows(path, load_reconstruction_settings(entry["reconstruction"]))
    error = np.abs(read_rows(path, rows) - read_rows(scans / f"{original}.truth.h5", rows)) ** 2
    # Robust against voxels that went wrong: complex Gaussian noise has the median s^2 ln 2.
    true = np.sqrt(np.median(error.reshape(len(error), -1), axis=1) / np.log(2))
    channels, frequencies, place = request(rows.chosen)
    columns = {"measurement": name, "components": len(true)}
    for label, noise in (
        ("standard deviation", mdf.background_std(path, channels, frequencies)),
        ("noise of components", mdf.corrected_noise(path, channels, frequencies)),
    ):
        low, middle, high = np.quantile(noise[place] / true, QUANTILES)
        columns[label] = f"{middle:.2f} ({low:.2f} to {high:.2f})"
    return columns


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    arguments = parser.parse_args()
    config = load_configuration(["config.yaml"])
    rows = []
    for name, entry in config["measurements"].items():
        scan = config["scans"][entry["calibration"]]
        original = scan.get("repeats", entry["calibration"])
        rows.append(row_of(name, entry, arguments.results / "scans", original))
    print("Over the true noise, median (10 % to 90 % of the components):\n")
    print(tabulate(rows, headers="keys", tablefmt="pipe"))


if __name__ == "__main__":
    main()

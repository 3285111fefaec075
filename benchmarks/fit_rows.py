"""Images by fitted matrices with more rows than the noise of the calibration lets pass.

Rows are taken whose root mean square exceeds the threshold times the expected error, and times the
noise of the calibration over a gain. PSNR of the phantom image of finished runs, on the grid of the
calibration and on the finer one:

    snakemake --cores all --configfile config/hard.yaml
    python benchmarks/fit_rows.py snake hard-snake
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np
from tabulate import tabulate

from smrestore import mdf
from smrestore.configuration import load_configuration
from smrestore.evaluation.transfer.images import Variant, reconstruct_scan
from smrestore.evaluation.transfer.rows import load_reconstruction_settings
from smrestore.mdf.restored import EXPECTED_ERROR

ROOT = Path(__file__).parents[1]
GAINS = (1.0, 2.0, 4.0, 8.0, np.inf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measurement", nargs="+")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--methods", nargs="+", default=["model-and-measurement", "model-fine"])
    arguments = parser.parse_args()
    config = load_configuration([ROOT / "config.yaml", ROOT / "config/hard.yaml"])
    rows = []
    for name in arguments.measurement:
        for method in arguments.methods:
            for gain in GAINS:
                found = image_with(
                    arguments.results, config["measurements"][name], name, method, gain
                )
                rows.append({"measurement": name, "method": method, "gain": gain, **found})
    print(tabulate(rows, headers="keys", floatfmt=".2f"))


def image_with(results: Path, entry: dict, name: str, method: str, gain: float) -> dict[str, float]:
    """Reconstruct with the rows of a gain, and return their number and the PSNR."""
    calibration = results / f"scans/{entry['calibration']}.mdf"
    phantom = results / f"scans/{entry['phantom']}.mdf"
    source = results / f"restored/{name}/{method}.mdf"
    matrix, noise = mdf.read_system_matrix(source), mdf.corrected_noise(calibration)
    rms = np.sqrt(np.mean(np.abs(matrix) ** 2, axis=(2, 3, 4)))
    with tempfile.TemporaryDirectory() as folder:
        changed, images = Path(folder) / "matrix.mdf", Path(folder) / "images.h5"
        shutil.copy(source, changed)
        with h5py.File(changed, "r+") as file:
            error = np.hypot(file[EXPECTED_ERROR][0], noise / gain)
            file["calibration/snr"][0] = np.divide(
                rms, error, out=np.zeros_like(rms), where=error > 0
            )
        reconstruct_scan(
            [Variant("x", "x", changed, own_rows=True)],
            calibration,
            phantom,
            settings=load_reconstruction_settings(entry["reconstruction"]),
            truth=phantom.with_suffix(".truth.h5"),
            path=images,
        )
        with h5py.File(images) as file:
            return {"rows": int(file["x"].attrs["rows"]), "PSNR": float(file["x"].attrs["psnr_dB"])}


if __name__ == "__main__":
    main()

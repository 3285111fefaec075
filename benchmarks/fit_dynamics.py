"""Fit scans of particles out of equilibrium, in equilibrium and with Neel rotation.

For each scan: seconds of wall and processor time of the fits, their held-out errors, and the mean
PSNR against the truth of all components along driven axes whose true peak exceeds half of the
noise, as measured, by networks, by the models, and by model and measurement. The scans are made by

    snakemake results/scans/near-snake-calibration.mdf results/scans/far-snake-calibration.mdf \
        --cores all --configfile config/dynamics.yaml
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from tabulate import tabulate

from smrestore import mdf
from smrestore.fitting.apply import predict
from smrestore.fitting.scan import fit_scan, read_calibration
from smrestore.fitting.settings import FitSettings
from smrestore.methods import load_method
from smrestore.networks.cards import shipped_names, shipped_weights
from smrestore.restoration.scan import restore_scan
from truths import Truth

SCANS = ("near-snake-calibration", "far-snake-calibration")
FITS = {"equilibrium": ("fluid",), "Neel": ("fluid", "neel")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=Path, default=Path("results/scans"))
    parser.add_argument("--scan", nargs="+", default=SCANS)
    parser.add_argument("--fits", nargs="+", default=list(FITS), choices=list(FITS))
    parser.add_argument("--networks", nargs="*", default=shipped_names(), help="of the package")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.scan:
        rows += of_scan(arguments.scans / f"{name}.mdf", arguments.fits, arguments.networks)
        print(tabulate(rows, headers="keys", floatfmt=".1f", missingval=""), flush=True)


def of_scan(path: Path, fits: list[str], networks: list[str]) -> list[dict[str, object]]:
    """Return a row for each way to restore a scan."""
    data = read_calibration(path)
    truth = Truth.of(path.with_suffix(".truth.h5"), data)
    driven = np.array(data.sequence.driven)[data.components.channel]
    own = truth.seen[driven[truth.seen]]

    def of_positions(images: np.ndarray) -> float:
        return truth.quality(images.T.reshape(-1, *data.grid.size), own)

    rows = [{"scan": path.stem, "by": "measured", "PSNR in dB": of_positions(data.images)}]
    for name in networks:
        with tempfile.TemporaryDirectory() as folder:
            restored = Path(folder) / "restored.mdf"
            restore_scan(path, restored, load_method(None, shipped_weights(name)), name=name)
            images = mdf.read_system_matrix(restored, channels=range(3))
        rows.append(
            {"by": name, "PSNR in dB": truth.quality(images.reshape(truth.images.shape), own)}
        )
    for name in fits:
        wall, processor = time.perf_counter(), time.process_time()
        model = fit_scan(data, FitSettings(states=FITS[name])).model
        row = {
            "state": model.family.state,
            "held-out error in %": 100 * model.held_out["all"],
            "wall s": time.perf_counter() - wall,
            "processor s": time.process_time() - processor,
        }
        for by, both in (("model", False), ("model and measurement", True)):
            found = predict(data, model, data.positions, with_measurement=both)
            rows.append({"by": f"{by} ({name})", "PSNR in dB": of_positions(found.images), **row})
            row = {}
    return rows


if __name__ == "__main__":
    main()

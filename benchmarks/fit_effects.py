"""What each effect of ``virtual-hard`` costs, one at a time: quality of the restored snake scan.

For the scanner of the default run, with each effect of config/hard.yaml alone and with all of them:
the held-out error of the fit, whether higher degrees and uneven coils were kept, and the mean PSNR
against the truth of all components whose true peak exceeds half of the noise, as measured, by
DCT-F, by the model, and by model and measurement. The fit knows none of the effects but degrees of
the fields up to 5, and receive coils.

    python benchmarks/fit_effects.py [--grid snake] [--positions 60]
"""

import argparse
import copy
import tempfile
from pathlib import Path

import numpy as np
from tabulate import tabulate

from smrestore import mdf
from smrestore.configuration import load_configuration
from smrestore.fitting.apply import predict
from smrestore.fitting.scan import fit_scan, read_calibration, spread_positions
from smrestore.fitting.settings import FitSettings
from smrestore.methods import load_method
from smrestore.restoration.scan import restore_scan
from smrestore.scanner.configured import load_calibration
from smrestore.scanner.scans import scan_calibration
from truths import Truth

ROOT = Path(__file__).parents[1]
EFFECTS = {
    "second mode of core sizes": [("tracer", "second_mode")],
    "uneven sample": [("delta_sample", "fill_gradient")],
    "fields of higher degree": [("fields", "higher_deviation")],
    "uneven receive coils": [("fields", "receive_deviation")],
    "jitter of the robot": [("position_jitter_mm",)],
    "warming": [("temperature_drift_K",)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scan", default="snake-calibration")
    parser.add_argument("--positions", type=int, help="positions that are used, spread over all")
    parser.add_argument("--effects", nargs="+", help="words that the effects contain")
    arguments = parser.parse_args()
    config = load_configuration([ROOT / "config.yaml", ROOT / "config/hard.yaml"])
    scan = dict(config["scans"][arguments.scan])
    plain = config["scanners"][scan["scanner"]]
    hard = config["scanners"][config["scans"][f"hard-{arguments.scan}"]["scanner"]]
    cases = {
        "none": [],
        **EFFECTS,
        "all of them": [key for keys in EFFECTS.values() for key in keys],
    }
    rows = []
    for name, keys in cases.items():
        if arguments.effects and not any(word in name for word in arguments.effects):
            continue
        scanner = copy.deepcopy(plain)
        for *sections, key in keys:
            place, source = scanner, hard
            for section in sections:
                place, source = place[section], source[section]
            place[key] = source[key]
        settings = {
            **scan,
            "scanner_name": scan["scanner"],
            "scanner": scanner,
            "sequence": config["sequences"][scan["sequence"]],
            "grid": config["grids"][scan["grid"]],
        }
        with tempfile.TemporaryDirectory() as folder:
            row = of_scan(Path(folder), settings, config["seed"], arguments.positions)
        rows.append({"effect": name, **row})
        print(tabulate(rows, headers="keys", floatfmt=".1f"), flush=True)


def of_scan(folder: Path, settings: dict, seed: int, positions: int | None) -> dict[str, object]:
    """Scan with these settings, restore, and compare with the truth."""
    path, truth_path, filtered = folder / "scan.mdf", folder / "truth.h5", folder / "dct.mdf"
    scan_calibration(path, truth_path, **load_calibration(settings), seed=seed)
    whole = read_calibration(path)
    quality = Truth.of(truth_path, whole).quality
    data = whole
    if positions is not None:
        unused = np.ones(whole.grid.size, dtype=bool)
        unused.ravel()[spread_positions(whole.positions, positions)] = False
        data = whole.without(unused)
    fit = fit_scan(data, FitSettings(states=("fluid",)))
    family = fit.model.family
    row = {
        "held-out error in %": 100 * fit.model.held_out["all"],
        "degrees": f"{family.selection_degree}, {family.drive_degree}, {family.receive_degree}",
        "measured": quality(whole.images.T.reshape(-1, *whole.grid.size)),
    }
    if positions is None:
        method = load_method({"method": "dct-filter", "omega": 2.75}, None, "denoising")
        restore_scan(path, filtered, method, name="DCT-F", background_factor=0.3)
        row["DCT-F"] = quality(mdf.read_system_matrix(filtered).reshape(-1, *whole.grid.size))
    for name, both in (("model", False), ("model and measurement", True)):
        found = predict(data, fit.model, whole.positions, with_measurement=both)
        row[name] = quality(found.images.T.reshape(-1, *whole.grid.size))
    return row


if __name__ == "__main__":
    main()

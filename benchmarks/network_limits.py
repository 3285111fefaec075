"""What limits the harm of a network that meets components unlike those of its training.

Restores components of virtual calibration scans by the U-Net of the package, and applies the limits
of ``inference`` to the result, one at a time and together. Prints the mean PSNR in dB against the
truth by true peak over noise.

    python benchmarks/network_limits.py results/scans/snake-calibration.mdf ... [--weights FILE]

The truth lies beside each scan. Scans out of equilibrium are made as in fit_dynamics.py.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from tabulate import tabulate

from smrestore.configuration import load_configuration
from smrestore.fitting.scan import read_calibration
from smrestore.methods import load_method
from smrestore.methods.consistency import power_within_noise, spectrum_within_noise, within_noise
from smrestore.networks.cards import DENOISER, shipped_weights
from smrestore.support.progress import progress_bar
from smrestore.tasks.degradation import Degraded
from truths import Truth

ROOT = Path(__file__).parents[1]
EDGES = (0.5, 3, 10, 30, 100, np.inf)
LIMITS = {
    "power_within_noise": power_within_noise,
    "within_noise": within_noise,
    "spectrum_within_noise": spectrum_within_noise,
}
"""In the order in which a network applies them."""
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", type=Path, nargs="+")
    parser.add_argument("--weights", help="weights.safetensors of a denoiser; the package's U-Net")
    parser.add_argument("--per-class", type=int, default=150, help="components of each class")
    arguments = parser.parse_args()
    config = load_configuration([ROOT / "config.yaml"])
    inference = config["shipped_networks"]["unet"]["inference"]
    weights = arguments.weights or shipped_weights(DENOISER)
    network = load_method(None, weights, "denoising", inference={"ensemble": inference["ensemble"]})
    rows = []
    for path in arguments.scans:
        rows += of_scan(path, network, inference, arguments.per_class)
        print(tabulate(rows, headers="keys", floatfmt=".1f", missingval=""), flush=True)


def of_scan(path: Path, network, inference: dict, count: int) -> list[dict[str, object]]:
    """Return a row for each combination of limits."""
    data = read_calibration(path)
    truth = Truth.of(path.with_suffix(".truth.h5"), data)
    seen = truth.seen[np.array(data.sequence.driven)[data.components.channel[truth.seen]]]
    ratio = truth.peak[seen] / data.noise[seen]
    rng = np.random.default_rng(0)
    classes = {}
    for low, high in itertools.pairwise(EDGES):
        own = seen[(ratio >= low) & (ratio < high)]
        if len(own):
            name = f"above {low}" if high == np.inf else f"{low} to {high}"
            classes[name] = rng.choice(own, min(count, len(own)), replace=False)
    used = np.concatenate(list(classes.values()))
    measured = data.images.T.reshape(truth.images.shape)
    largest = np.abs(measured).max(axis=(1, 2, 3))
    items = [
        Degraded((measured[k] / largest[k]).astype(np.complex64), data.noise[k] / largest[k])
        for k in used
    ]
    starts = range(0, len(items), BATCH)
    free = [
        image
        for start in progress_bar(starts, desc=path.stem, unit="batch")
        for image in network(items[start : start + BATCH])
    ]
    cases = {"measured": None, "U-Net, no limits": []}
    cases |= {f"U-Net, {name}": [name] for name in LIMITS}
    cases |= {"U-Net, all three": list(LIMITS)}
    rows = []
    for label, names in cases.items():
        images = measured.copy()
        if names is not None:
            for k, item, image in zip(used, items, free, strict=True):
                for name in names:
                    image = LIMITS[name](image, item, inference[name])
                images[k] = largest[k] * image
        quality = {name: truth.quality(images, own) for name, own in classes.items()}
        rows.append({"scan": "" if rows else path.stem, "by": label, **quality})
    return rows


if __name__ == "__main__":
    main()

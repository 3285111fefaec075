"""What the loss of a training is worth: PSNR of networks trained for either, from a finished run.

    python benchmarks/losses.py                                     # after make run
    python benchmarks/losses.py --experiments rdn unet-x4

Each experiment is trained by its recipe with the absolute error (`l1`) and with the logarithm of
the error (`log-error`), from the same seed, and restores its test set.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import pandas as pd
import torch
from tabulate import tabulate

from smrestore.configuration import load_configuration
from smrestore.evaluation.scores import EvaluationSet, evaluate
from smrestore.methods import load_method
from smrestore.training.objective import LOSSES
from smrestore.training.run import train
from smrestore.training.settings import load_settings

ROOT = Path(__file__).parents[1]
EXPERIMENTS = (
    "dncnn",
    "rdn",
    "unet-canonical",
    "smrnet-x2",
    "unet-x2",
    "unet-x4",
)


def measure(config: dict, name: str, loss: str, results: Path) -> pd.Series:
    """Return the mean PSNR in dB for each sigma of the first test set with this experiment."""
    entry = config["experiments"][name]
    test_set, settings = next(
        (key, value) for key, value in config["test_sets"].items() if name in value["methods"]
    )
    known = {field.name for field in dataclasses.fields(EvaluationSet)} & set(settings)
    options = {key: settings[key] for key in known} | {"sigma": tuple(settings["sigma"])}

    def stores(dataset: str, split: str) -> list[Path]:
        return sorted((results / f"system_matrices/{dataset}/{split}").glob("*.h5"))

    with tempfile.TemporaryDirectory() as folder:
        model, table = Path(folder) / "weights.safetensors", Path(folder) / "rows.csv"
        train(
            settings=load_settings(entry).replace(loss=loss),
            training=stores(entry["dataset"], "train"),
            validation=stores(entry["dataset"], "validation"),
            noise_pool=results / f"noise/{entry['noise_pool']}.h5",
            seed=config["seed"],
            model=model,
            history=Path(folder) / "history.csv",
            checkpoints=Path(folder) / "checkpoints",
            accelerator=config["accelerator"],
        )
        evaluate(
            EvaluationSet(test_set, **options),
            load_method(None, model, inference=entry.get("inference")),
            name,
            matrices=stores(settings["dataset"], "test"),
            noise_pool=results / f"noise/{settings['noise_pool']}.h5",
            seed=config["seed"],
            path=table,
        )
        return pd.read_csv(table).groupby("sigma")["psnr"].mean()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", nargs="+", default=EXPERIMENTS, metavar="NAME")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="of a finished run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = load_configuration([ROOT / "config.yaml"])
    rows = []
    for name in arguments.experiments:
        first, second = (measure(config, name, loss, arguments.results) for loss in LOSSES)
        rows += [
            [name, sigma, *(f"{loss[sigma]:.2f}" for loss in (first, second)),
             f"{second[sigma] - first[sigma]:+.2f}"]
            for sigma in first.index
        ]  # fmt: skip
    print(tabulate(rows, headers=["experiment", "sigma", *LOSSES, "gain"], tablefmt="pipe"))


if __name__ == "__main__":
    main()

"""Print DCT-F on the default test set under both meanings of sigma, beside the published row.

DCT-F needs no training, so it tells which convention the study may have used. Run `make run` first.
"""

import tempfile
from pathlib import Path

import pandas as pd

from smrestore.configuration import load_configuration
from smrestore.evaluation.scores import EvaluationSet, evaluate
from smrestore.evaluation.tables import read_published
from smrestore.methods import load_method
from smrestore.tasks.degradation import SIGMA_CONVENTIONS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
NAME = "denoising-2d"


def mean_psnr(config: dict, convention: str) -> pd.Series:
    """Return the mean PSNR in dB for each sigma."""
    entry = config["test_sets"][NAME]
    test_set = EvaluationSet(
        NAME, entry["task"], entry["components_per_matrix"], tuple(entry["sigma"]), convention
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        evaluate(
            test_set,
            load_method({"method": "dct-filter", "omega": 2.75}, None),
            "dct-f",
            matrices=sorted((RESULTS / f"system_matrices/{entry['dataset']}/test").glob("*.h5")),
            noise_pool=RESULTS / f"noise/{entry['noise_pool']}.h5",
            seed=config["seed"],
            path=path,
        )
        return pd.read_csv(path).groupby("sigma")["psnr"].mean().round(1)


def main() -> None:
    """Print the table."""
    if not (RESULTS / "report.html").exists():
        print("no finished default run: make run")
        return
    config = load_configuration([ROOT / "config.yaml"])
    rows = {convention: mean_psnr(config, convention) for convention in SIGMA_CONVENTIONS}
    published = read_published(ROOT / "workflow/published/tables.csv").query(
        "table == 2 and dimension == 2 and method == 'dct-f' and metric == 'psnr'"
    )
    rows["published"] = published.set_index("sigma")["mean"]
    print(pd.DataFrame(rows).T.to_markdown())


if __name__ == "__main__":
    main()

"""Print what the finished default run cost and reached, beside its budgets.

Run `make run` first. Job times and memory come from Snakemake's benchmark files, the wall time from
its logs, and the lead of the best network from the evaluations.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from smrestore.report.page import read_run_times

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
SIGMA = 0.1
CORES = os.cpu_count()


def wall_minutes() -> float:
    """Return the longest run that Snakemake has logged here, in minutes."""
    seconds = [0.0]
    for log in (ROOT / ".snakemake/log").glob("*.log"):
        for h, m, s in re.findall(r"Elapsed time: (\d+):(\d+):([\d.]+)", log.read_text()):
            seconds.append(3600 * int(h) + 60 * int(m) + float(s))
    return max(seconds) / 60


def lead() -> tuple[str, float]:
    """Return the best network at sigma 0.1 in 2D and its lead over DCT-F in dB."""
    means = {}
    for path in (RESULTS / "evaluation/denoising-2d").glob("*.csv"):
        rows = pd.read_csv(path).query("sigma == @SIGMA")
        means[path.stem] = rows["psnr"].mean()
    baseline = means.pop("dct-f")
    best = max(means, key=means.get)
    return best, means[best] - baseline


def main() -> None:
    """Print the tables."""
    if not (RESULTS / "report.html").exists():
        print("no finished default run: make run")
        return
    times = read_run_times(sorted((RESULTS / "benchmarks").rglob("*.jsonl")))
    print(times.to_markdown(index=False))
    start = time.perf_counter()
    subprocess.run(
        [Path(sys.executable).with_name("snakemake"), "-n", "--quiet"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    dry_run = time.perf_counter() - start
    # Each training has a core of its own.
    training = float(times.set_index("stage").at["training", "total time (s)"]) / 60 / CORES
    best, gain = lead()
    memory = times["peak memory (MiB)"].astype(float).max() / 1024
    budgets = [
        ("wall time of the run", f"{wall_minutes():.1f} min", "<= 12 min"),
        ("of which training, one per core", f"{training:.1f} min", "<= 7.5 min"),
        ("largest memory of a job", f"{memory:.1f} GiB", "<= 4 GiB"),
        ("snakemake -n on the finished run", f"{dry_run:.1f} s", "<= 5 s"),
        (f"lead over DCT-F at sigma {SIGMA:g}, {best}", f"{gain:+.1f} dB", ">= +6 dB"),
    ]
    print()
    print(pd.DataFrame(budgets, columns=["what", "this run", "budget"]).to_markdown(index=False))


if __name__ == "__main__":
    main()

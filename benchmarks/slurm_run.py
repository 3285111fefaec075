"""Run the workflow on a real Slurm of one node, and compare it with its plan.

    python benchmarks/slurm_run.py FOLDER config/paper.yaml config/tenth.yaml --cores 12

starts Slurm on this computer (as root; Debian packages slurm-wlm and munge), runs Snakemake with
``--profile slurm`` and these overlays of config.yaml in FOLDER, and stops Slurm. It prints what
Slurm did in each stage, and ``smrestore plan --compare``. A run that was stopped goes on with the
same command, and all its sessions are counted. The node claims more cores than there may be, so
that the profile is granted as it stands.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests/slurm")]

import slurm_cluster  # noqa: E402

from checkout import environment  # noqa: E402

STAGES = {
    "simulate_batch": "simulation",
    "scan_empty": "scans",
    "scan_calibration": "scans",
    "repeat_calibration": "scans",
    "scan_phantom": "scans",
    "fetch_scan": "scans",
    "import_scan": "scans",
    "build_noise_pool": "noise",
    "train_network": "training",
    "evaluate_method": "evaluation",
    "fit_scan": "fits",
    "restore_scan": "restoration",
    "restore_by_fit": "restoration",
    "reconstruct_scan": "reconstruction",
    "study_positions": "positions",
}
"""Stage, which is the folder of benchmark files, of each rule that is submitted."""

# A new job is first looked at after 40 s by default, and new files on a local disk need no waiting.
HASTE = ["--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "5"]


def run(folder: Path, overlays: list[Path]) -> int:
    """Run the workflow, print how long it took, and return its exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["snakemake", "--cores", "all", "--profile", "slurm", *HASTE]
    command += ["--directory", folder, "--configfile", *overlays]
    start = time.perf_counter()
    with (folder / "snakemake.log").open("w") as log:
        result = subprocess.run(
            command, cwd=ROOT, env=environment(ROOT), stdout=log, stderr=subprocess.STDOUT
        )
    seconds = time.perf_counter() - start
    print(f"snakemake ended with status {result.returncode} after {seconds / 60:.1f} min")
    return result.returncode


def all_jobs(folder: Path) -> list[dict[str, str]]:
    """Return the jobs of this session and those before it, and keep them for the next one."""
    path = folder / "slurm-jobs.json"
    former = json.loads(path.read_text()) if path.exists() else []
    # A run that is stopped cancels what waits or runs, and starts it again in the next session.
    found = former + [job for job in slurm_cluster.jobs() if job["JobState"] != "CANCELLED"]
    path.write_text(json.dumps(found, indent=1) + "\n")
    return found


def stage_of(job: dict[str, str]) -> str:
    """Return the stage of a job of Slurm, by the rule in its comment."""
    rule = job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]
    return STAGES.get(rule, rule)


def seconds_between(job: dict[str, str], first: str, last: str) -> float:
    """Return the time between two points in the life of a job, 0 if it did not reach both."""
    try:
        times = [datetime.fromisoformat(job[key]) for key in (first, last)]
    except ValueError:
        return 0.0
    return max((times[1] - times[0]).total_seconds(), 0.0)


def scripts_of(results: Path, stage: str) -> list[dict]:
    """Return what Snakemake noted of the scripts of a stage."""
    paths = (results / "benchmarks" / stage).rglob("*.jsonl")
    return [json.loads(path.read_text().splitlines()[-1]) for path in paths]


def number(value: object) -> float:
    """Return a number, 0 for one that Snakemake does not know."""
    return float(value) if isinstance(value, int | float) else 0.0


def stage_rows(jobs: list[dict[str, str]], results: Path) -> list[dict[str, object]]:
    """Return a row for each stage: jobs of Slurm beside the scripts that they ran."""
    by_stage: dict[str, list[dict[str, str]]] = {}
    for job in jobs:
        by_stage.setdefault(stage_of(job), []).append(job)
    rows = []
    for stage, found in by_stage.items():
        scripts = scripts_of(results, stage)
        elapsed = sum(seconds_between(job, "StartTime", "EndTime") for job in found)
        inside = sum(number(script["s"]) for script in scripts)
        asked = max(float(job.get("MinMemoryNode", "0M").rstrip("MG") or 0) for job in found)
        if any(job.get("MinMemoryNode", "").endswith("G") for job in found):
            asked *= 1024
        rows.append(
            {
                "stage": stage,
                "jobs": len(found),
                "completed": sum(job["JobState"] == "COMPLETED" for job in found),
                "elapsed (min)": elapsed / 60,
                "in scripts (min)": inside / 60,
                "around, each (s)": (elapsed - inside) / len(found),
                "peak (GiB)": max((number(s["max_rss"]) for s in scripts), default=0.0) / 1024,
                "asked (GiB)": asked / 1024,
            }
        )
    return rows


def main() -> None:
    """Run, count, and compare with the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where results go")
    parser.add_argument("overlays", type=Path, nargs="*", help="configuration over config.yaml")
    parser.add_argument("--cores", type=int, default=8, help="cores that the node claims to have")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    overlays = [path.resolve() for path in arguments.overlays]
    slurm_cluster.start(arguments.cores)
    try:
        status = run(folder, overlays)
        jobs = all_jobs(folder)
    finally:
        slurm_cluster.stop()
    rows = stage_rows(jobs, folder / "results")
    print(tabulate(rows, headers="keys", floatfmt=("", "", "", ".1f", ".1f", ".1f", ".2f", ".1f")))
    elapsed = sum(row["elapsed (min)"] for row in rows)
    print(f"{len(jobs)} jobs of Slurm, {elapsed:.1f} min in all, on {os.cpu_count()} cores")
    if status:
        sys.exit(f"the run has failed: {folder / 'snakemake.log'}")
    sys.stdout.flush()
    subprocess.run(
        [
            *(sys.executable, "-m", "smrestore.cli", "plan", ROOT / "config.yaml", *overlays),
            *("--compare", folder / "results"),
        ],
        env=environment(ROOT),
        check=True,
    )


if __name__ == "__main__":
    main()

# What all stages share: the complete configuration, names and paths, and the identity of code.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from smrestore.configuration import complete_configuration, lay_over_base
from smrestore.support.cluster import check_jobs
from smrestore.support.errors import InputError
from smrestore.support.presence import enter_job, enter_run, start_run
from smrestore.support.workflow import code_id

ROOT = Path(workflow.basedir)
# Beside the state of Snakemake, which holds no results either.
STATE = Path(".snakemake").absolute()
KNOWN_CODE = Path(".snakemake/known-code.json")

if workflow.is_main_process:
    if other := enter_run(STATE):
        print(f"Another Snakemake, {other}, works here; its lock must stay.", file=sys.stderr)
else:
    enter_job(STATE)

try:
    completed = complete_configuration(lay_over_base(config, ROOT), Path.cwd())
except InputError as error:
    raise WorkflowError(str(error)) from None
# From here on, the configuration is complete: entries say all that they leave out in the files.
config.clear()
config.update(completed)

# Methods that are applied to the mean of twin frequencies.
TWINS = config["twin_methods"]
# Physics fitted to a scan, which restores whole matrices.
FITTED = config["fitted_methods"]
# Networks that come with the package, and methods that work on what a network denoised.
SHIPPED = config["shipped_networks"]
DENOISED = config["denoised_methods"]
LEARNED = {**config["experiments"], **SHIPPED}
METHODS = {**config["baselines"], **LEARNED, **DENOISED, **TWINS, **FITTED}


def repetitions(measurement):
    """Return a measurement once more for each of its realizations, by names of files."""
    entry = config["measurements"][measurement]
    found = {}
    for scan in entry["realizations"]:
        found[f"{measurement}/{scan}"] = {**entry, "calibration": scan, "reference": None}
        if "prior" in entry:
            prior = f"{entry['prior']['measurement']}/{scan}"
            found[f"{measurement}/{scan}"]["prior"] = {**entry["prior"], "measurement": prior}
    return found


REPETITIONS = {name: repetitions(name) for name in config["measurements"]}
# Realizations are restored and reconstructed by the same rules as the measurements themselves.
MEASUREMENTS = {
    name: entry
    for measurement, entry in config["measurements"].items()
    for name, entry in ({measurement: entry} | REPETITIONS[measurement]).items()
}


def code(script):
    """Return the identity of the code behind workflow/scripts/{script}.py."""
    return code_id(ROOT / f"workflow/scripts/{script}.py", KNOWN_CODE)


def names(section, *keys, **values):
    """Return a regular expression for the names of entries that have these keys and values.

    None as a value means that the entry lacks the key.
    """
    found = [
        name
        for name, entry in config[section].items()
        if set(keys) <= set(entry) and all(entry.get(key) == values[key] for key in values)
    ]
    return "|".join(found) or "(?!)"


wildcard_constraints:
    dataset=names("datasets"),
    split="train|validation|test",
    batch=r"\d+",
    pool=names("noise_pools"),
    experiment=names("experiments"),
    shipped=names("shipped_networks"),
    test_set=names("test_sets"),
    method="|".join(METHODS),
    table=names("tables"),
    measurement="|".join(MEASUREMENTS),
    fit=names("fits"),


def batches(dataset, split):
    """Return the store files of a split."""
    entry = config["datasets"][dataset]
    count = -(-entry["matrices"][split] // entry["batch_size"])
    return [f"results/system_matrices/{dataset}/{split}/{batch:03d}.h5" for batch in range(count)]


def check_demands():
    """Find out what a run demands in vain before its first job starts."""
    jobs = list(workflow.dag.needrun_jobs())
    if workflow.executor_plugin.name == "slurm":
        check_jobs(jobs)
    elif workflow.local_exec and config["accelerator"] == "gpu":
        if any(job.rule.name == "train_network" for job in jobs):
            # Loading it takes seconds, so it is left to runs that demand a GPU.
            from smrestore.training.device import choose_accelerator

            choose_accelerator("gpu")


def label(method):
    """Return the name of a method for readers."""
    return METHODS[method]["label"]

# What all stages share: the checked configuration, names, and the identity of code.

import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

from smrestore.configuration import complete_configuration, lay_over_base
from smrestore.public.registry import read_stores
from smrestore.support.errors import InputError
from smrestore.support.workflow import code_id

ROOT = Path(workflow.basedir)
# Beside the state of Snakemake, which holds no results either.
KNOWN_CODE = Path(".snakemake/known-code.json")

try:
    completed = complete_configuration(lay_over_base(config, ROOT), Path.cwd())
except InputError as error:
    raise WorkflowError(str(error)) from None
# From here on, the configuration is complete: entries say all that they leave out in the files.
config.clear()
config.update(completed)

STORES = read_stores(config["downloads"].get("registry"))
# Methods that are applied to the mean of twin frequencies.
TWINS = config["twin_methods"]
TWINS_USED = any(
    method in TWINS
    for section in ("test_sets", "measurements")
    for entry in config[section].values()
    for method in entry["methods"]
)
# Physics fitted to a scan, which restores whole matrices.
FITTED = config["fitted_methods"]
METHODS = [*config["baselines"], *config["experiments"], *TWINS, *FITTED]
VARIANTS = ("measured", "reference", "truth")
SCANS_OF_A_MEASUREMENT = ("calibration", "reference", "truth", "phantom", "empty")


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


def names(section, **conditions):
    """Return a regular expression for the names in a section whose entries meet conditions."""
    found = [
        name
        for name, entry in config[section].items()
        if all(entry.get(key) == value for key, value in conditions.items())
    ]
    return "|".join(found) if found else "(?!)"


wildcard_constraints:
    dataset=names("datasets"),
    split="train|validation|test",
    batch=r"\d+",
    pool=names("noise_pools"),
    experiment=names("experiments"),
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


def single_method(method):
    """Return the method that works on single components, where one works on their twins, too."""
    return TWINS.get(method, {}).get("of", method)


def model_of(method):
    """Return the weights of a learned method, nothing for a classical one."""
    method = single_method(method)
    if method in config["experiments"]:
        return [f"results/models/{method}/weights.safetensors"]
    return []


def training_pool_of(method):
    """Return the noise pool that a learned method was trained with, nothing for a classical one."""
    method = single_method(method)
    if method in config["experiments"]:
        return [f"results/noise/{config['experiments'][method]['noise_pool']}.h5"]
    return []


def label(method):
    """Return the name of a method for readers."""
    entries = {**config["baselines"], **config["experiments"], **TWINS, **FITTED}
    return entries[method]["label"]


def variant_label(measurement, variant):
    """Return the name of a system matrix for readers, with its averages where they are known."""
    entry = MEASUREMENTS[measurement]
    if variant == "truth":
        return "Truth"
    if variant not in VARIANTS:
        return label(variant)
    scan = config["scans"][entry["calibration" if variant == "measured" else "reference"]]
    if "averages" not in scan:
        return variant.capitalize()
    count = scan["averages"]
    return f"{variant.capitalize()} ({count} average{'s' if count != 1 else ''})"


def has_truth(scan):
    """Tell whether a scan comes with its truth."""
    return config["scans"][scan]["source"] == "virtual"


def truth_of(scan):
    """Return the truth of a scan, nothing if nobody knows it; repeated scans share it."""
    original = config["scans"][scan].get("repeats", scan)
    return [f"results/scans/{original}.truth.h5"] if has_truth(scan) else []


def true_scan(measurement):
    """Return the calibration scan whose truth is that of a measurement."""
    entry = MEASUREMENTS[measurement]
    return entry.get("truth", entry["calibration"])


def variants(measurement):
    """Return all system matrices that a measurement is reconstructed with, worst first."""
    entry = MEASUREMENTS[measurement]
    is_repetition = measurement not in config["measurements"]
    return [
        "measured",
        *entry["methods"],
        *(["reference"] if entry["reference"] else []),
        *(["truth"] if has_truth(true_scan(measurement)) and not is_repetition else []),
    ]


def with_repetitions(measurement):
    """Return the names of a measurement and of its realizations."""
    return [measurement, *REPETITIONS[measurement]]


def matrix_of(measurement, variant):
    """Return the file of one of these system matrices."""
    entry = MEASUREMENTS[measurement]
    if variant == "truth":
        return truth_of(true_scan(measurement))[0]
    return {
        "measured": f"results/scans/{entry['calibration']}.mdf",
        "reference": f"results/scans/{entry['reference']}.mdf",
    }.get(variant, f"results/restored/{measurement}/{variant}.mdf")


PARAMETERS = [
    f"results/parameters/{dataset}/{split}.csv"
    for dataset, entry in config["datasets"].items()
    for split, count in entry["matrices"].items()
    if count
]
SYSTEM_MATRICES = [
    path
    for dataset, entry in config["datasets"].items()
    for split in entry["matrices"]
    for path in batches(dataset, split)
]
NOISE_FIGURES = collect(
    "results/noise/{pool}.{format}", pool=config["noise_pools"], format=["pdf", "png"]
)
SCANS = [f"results/scans/{scan}.mdf" for scan in config["scans"]]
# Scans that something rests on, in the order of the configuration.
USED_SCANS = [
    f"results/scans/{scan}.mdf"
    for scan in config["scans"]
    if any(scan in entry.get("scans", []) for entry in config["noise_pools"].values())
    or any(
        scan in (entry[key] for key in SCANS_OF_A_MEASUREMENT if key in entry)
        for entry in MEASUREMENTS.values()
    )
]
EVALUATIONS = [
    f"results/evaluation/{test_set}/{method}.csv"
    for test_set, entry in config["test_sets"].items()
    for method in entry["methods"]
]
RESTORED = [
    f"results/restored/{measurement}/{method}.mdf"
    for measurement, entry in MEASUREMENTS.items()
    for method in entry["methods"]
]
RECONSTRUCTIONS = [f"results/reconstructions/{measurement}.h5" for measurement in MEASUREMENTS]
TABLES = [
    *collect(
        "results/tables/{table}.{format}", table=config["tables"], format=["csv", "md", "tex"]
    ),
    *collect(
        "results/tables/transfer-{measurement}.{format}",
        measurement=config["measurements"],
        format=["csv", "md", "classes.md"],
    ),
    *(collect("results/tables/twins.{format}", format=["csv", "md"]) if TWINS_USED else []),
    *collect(
        "results/tables/{table}.{format}",
        table=["claims", "calibration-time"],
        format=["csv", "md"],
    ),
    *collect(
        "results/tables/positions-{study}.{format}",
        study=config["position_studies"],
        format=["csv", "md"],
    ),
]
FIGURES = [
    *collect("results/figures/{figure}.{format}", figure=config["figures"], format=["pdf", "png"]),
    *collect(
        "results/figures/positions-{study}.{format}",
        study=config["position_studies"],
        format=["pdf", "png"],
    ),
]
CURVES = collect(
    "results/models/{experiment}/curve.{format}",
    experiment=config["experiments"],
    format=["pdf", "png"],
)

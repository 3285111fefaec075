# What all stages share: the checked configuration, names, and the identity of code.

import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

from smrestore.configuration import ConfigurationError, check_configuration, resolved_dataset
from smrestore.public.registry import read_stores
from smrestore.workflow import code_id

ROOT = Path(workflow.basedir)

try:
    check_configuration(config, ROOT / "workflow/schemas/config.schema.yaml", Path.cwd())
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None

STORES = read_stores(config.get("downloads", {}).get("registry"))
DATASETS = {name: resolved_dataset(config["datasets"], name) for name in config["datasets"]}
VARIANTS = ("measured", "reference", "truth")
SCANS_OF_A_MEASUREMENT = ("calibration", "reference", "truth", "phantom", "empty")


def code(script):
    """Return the identity of the code behind workflow/scripts/{script}.py."""
    return code_id(ROOT / f"workflow/scripts/{script}.py")


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
    method="|".join([*config["baselines"], *config["experiments"]]),
    table=names("tables"),
    measurement=names("measurements"),
    variant="|".join([*VARIANTS, *config["baselines"], *config["experiments"]]),


def batches(dataset, split):
    """Return the store files of a split."""
    entry = DATASETS[dataset]
    count = -(-entry["matrices"][split] // entry["batch_size"])
    return [f"results/system_matrices/{dataset}/{split}/{batch:03d}.h5" for batch in range(count)]


def model_of(method):
    """Return the weights of a learned method, nothing for a classical one."""
    if method in config["experiments"]:
        return [f"results/models/{method}/weights.safetensors"]
    return []


def training_pool_of(method):
    """Return the noise pool that a learned method was trained with, nothing for a classical one."""
    if method in config["experiments"]:
        return [f"results/noise/{config['experiments'][method]['noise_pool']}.h5"]
    return []


def label(method):
    """Return the name of a method for readers."""
    section = "baselines" if method in config["baselines"] else "experiments"
    return config[section][method]["label"]


def variant_label(measurement, variant):
    """Return the name of a system matrix for readers, with its averages where they are known."""
    entry = config["measurements"][measurement]
    if variant == "truth":
        return "Truth"
    if variant not in VARIANTS:
        return label(variant)
    scan = config["scans"][entry["calibration" if variant == "measured" else "reference"]]
    averages = f" ({scan['averages']} averages)" if "averages" in scan else ""
    return variant.capitalize() + averages


def has_truth(scan):
    """Tell whether a scan comes with its truth."""
    return config["scans"][scan]["source"] == "virtual"


def truth_of(scan):
    """Return the truth of a scan, nothing if nobody knows it."""
    return [f"results/scans/{scan}.truth.h5"] if has_truth(scan) else []


def true_scan(measurement):
    """Return the calibration scan whose truth is that of a measurement."""
    entry = config["measurements"][measurement]
    return entry.get("truth", entry["calibration"])


def variants(measurement):
    """Return all system matrices that a measurement is reconstructed with, worst first."""
    entry = config["measurements"][measurement]
    return [
        "measured",
        *entry["methods"],
        *(["reference"] if entry["reference"] else []),
        *(["truth"] if has_truth(true_scan(measurement)) else []),
    ]


def matrix_of(measurement, variant):
    """Return the file of one of these system matrices."""
    entry = config["measurements"][measurement]
    return {
        "measured": f"results/scans/{entry['calibration']}.mdf",
        "reference": f"results/scans/{entry['reference']}.mdf",
        "truth": f"results/scans/{true_scan(measurement)}.truth.h5",
    }.get(variant, f"results/restored/{measurement}/{variant}.mdf")


PARAMETERS = [
    f"results/parameters/{dataset}/{split}.csv"
    for dataset, entry in DATASETS.items()
    for split, count in entry["matrices"].items()
    if count
]
SYSTEM_MATRICES = [
    path
    for dataset, entry in DATASETS.items()
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
        for entry in config["measurements"].values()
    )
]
EVALUATIONS = [
    f"results/evaluation/{test_set}/{method}.csv"
    for test_set, entry in config["test_sets"].items()
    for method in entry["methods"]
]
RESTORED = [
    f"results/restored/{measurement}/{method}.mdf"
    for measurement, entry in config["measurements"].items()
    for method in entry["methods"]
]
RECONSTRUCTIONS = [
    f"results/reconstructions/{measurement}/{variant}.h5"
    for measurement in config["measurements"]
    for variant in variants(measurement)
]
TABLES = [
    *collect(
        "results/tables/{table}.{format}", table=config["tables"], format=["csv", "md", "tex"]
    ),
    *collect(
        "results/tables/transfer-{measurement}.{format}",
        measurement=config["measurements"],
        format=["csv", "md"],
    ),
    *collect(
        "results/tables/{table}.{format}",
        table=["claims", "calibration-time"],
        format=["csv", "md"],
    ),
]
FIGURES = collect(
    "results/figures/{figure}.{format}", figure=config["figures"], format=["pdf", "png"]
)
CURVES = collect(
    "results/models/{experiment}/curve.{format}",
    experiment=config["experiments"],
    format=["pdf", "png"],
)

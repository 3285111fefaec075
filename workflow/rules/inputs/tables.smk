# What the rules of tables.smk make, and what they depend on.

TWINS_USED = any(
    method in TWINS
    for section in ("test_sets", "measurements")
    for entry in config[section].values()
    for method in entry["methods"]
)
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
# Methods of the study that ours stand for, in any table.
PUBLISHED = {
    ours: theirs
    for entry in config["tables"].values()
    for ours, theirs in entry["published"].items()
}
# On scans, samples are where they were measured, whatever the test sets of the study took them for: a
# classical method stands for that of its name.
PUBLISHED_ON_SCANS = {name: name for name in config["baselines"]} | PUBLISHED


def get_table_evaluations(wildcards):
    return [
        path
        for test_set in config["tables"][wildcards.table]["test_sets"]
        for path in evaluations_of(test_set, config["test_sets"][test_set]["methods"])
    ]


def get_table_settings(wildcards):
    entry = config["tables"][wildcards.table]
    test_sets = {name: config["test_sets"][name] for name in entry["test_sets"]}
    methods = [method for test_set in test_sets.values() for method in test_set["methods"]]
    keys = ("task", "dimension", "sigma_convention", "particle_state")
    return {
        "number": entry["number"],
        "caption": entry["caption"],
        "published_names": entry["published"],
        "size_ranges": entry["size_ranges"],
        "test_sets": [
            {"name": name, **{key: test_set[key] for key in keys if key in test_set}}
            for name, test_set in test_sets.items()
        ],
        "labels": {method: label(method) for method in methods},
        "alignments": {
            method: config["baselines"][method]["alignment"]
            for method in methods
            if config["baselines"].get(method, {}).get("method") == "spline"
        },
    }


def claim_sets():
    """Return the test sets of all tables, each with the table that it belongs to."""
    return [(name, entry) for entry in config["tables"].values() for name in entry["test_sets"]]


def get_claim_evaluations(wildcards):
    """Return the evaluations of methods that stand for one of the study."""
    test_sets = dict.fromkeys(name for name, _ in claim_sets())
    return [
        f"results/evaluation/{name}/{method}.csv"
        for name in test_sets
        for method in config["test_sets"][name]["methods"]
        if method in PUBLISHED
    ]


def claim_scores():
    """Return the scored components of each calibration scan with known truth, by measurement."""
    return {
        name: [f"results/reconstructions/{name}.csv"]
        for name, entry in config["measurements"].items()
        if has_truth(true_scan(name)) and set(entry["methods"]) & set(PUBLISHED_ON_SCANS)
    }


def get_claim_scores(wildcards):
    return [path for paths in claim_scores().values() for path in paths]


def scan_dimension(scan):
    """Return the driven axes of a virtual scan."""
    sequence = config["sequences"][config["scans"][scan]["sequence"]]
    return sum(amplitude > 0 for amplitude in sequence["drive_amplitude_mT"])


def get_claim_settings(wildcards):
    measurements = config["measurements"]
    return {
        "scores": claim_scores(),
        "tables": [
            {
                "number": entry["number"],
                "dimension": config["test_sets"][name]["dimension"],
                "test_set": name,
                "published": entry["published"],
                "size_ranges": entry["size_ranges"],
            }
            for name, entry in claim_sets()
        ],
        "scans": [
            {
                "measurement": name,
                "task": measurements[name]["task"],
                "dimension": scan_dimension(true_scan(name)),
                "published": PUBLISHED_ON_SCANS,
            }
            for name in claim_scores()
        ],
        "training": {name: amount_of_training(name) for name in LEARNED},
        "labels": {name: label(name) for name in PUBLISHED_ON_SCANS},
    }


def get_timed_measurements(wildcards):
    """Return the measurements that save time, with the scans that tell how much."""
    timed = []
    for name, entry in config["measurements"].items():
        found = {
            "name": name,
            "task": entry["task"],
            "calibration": f"results/scans/{entry['calibration']}.mdf",
            "robot_time_s": entry["robot_time_s"],
        }
        if "factor" in entry:
            timed.append(found | {"factor": entry["factor"], "decimate": entry["decimate"]})
        elif entry["reference"]:
            timed.append(found | {"reference": f"results/scans/{entry['reference']}.mdf"})
    return timed


def get_timed_scans(wildcards):
    measurements = get_timed_measurements(wildcards)
    return sorted(
        {m[key] for m in measurements for key in ("calibration", "reference") if key in m}
    )


def get_twin_comparisons(wildcards):
    """Return where methods on twins are compared with the same on single components."""
    comparisons = []
    for section in ("test_sets", "measurements"):
        for name, entry in config[section].items():
            for method in entry["methods"]:
                if method not in TWINS or TWINS[method]["of"] not in entry["methods"]:
                    continue
                single = TWINS[method]["of"]
                comparisons.append(
                    {
                        "place": name,
                        "method": method,
                        "label": label(method),
                        "single": single,
                        "single_label": label(single),
                        "rows": (
                            evaluations_of(name, [single, method])
                            if section == "test_sets"
                            else scores_of(name)
                        ),
                    }
                )
    return comparisons


def get_twin_rows(wildcards):
    comparisons = get_twin_comparisons(wildcards)
    return sorted({path for comparison in comparisons for path in comparison["rows"]})

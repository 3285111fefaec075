# What the rules ask for as input and params, stage by stage. Functions take wildcards; those that need
# only a small part of the configuration return just that, so that other changes rerun nothing.


# parameters


def get_draw_settings(wildcards):
    keys = ("draws_of", "dimension", "model", "grid", "refinement", "sequence")
    return {key: DATASETS[wildcards.dataset][key] for key in keys}


# scans


def get_scan_settings(wildcards):
    """Return a virtual scan with everything it names, so that only its own settings matter."""
    scan = dict(SCAN_ENTRIES[wildcards.scan])
    # The frequencies come with the inputs.
    scan.pop("frequencies", None)
    scan["scanner_name"] = scan["scanner"]
    for key, section in (
        ("scanner", "scanners"),
        ("sequence", "sequences"),
        ("grid", "grids"),
        ("phantom", "phantoms"),
    ):
        if key in scan:
            scan[key] = config[section][scan[key]]
    return scan


def get_scan_matrices(wildcards):
    """Return the stores that the frequencies of a scan are taken from, none for all frequencies."""
    if config["scans"][wildcards.scan].get("frequencies", "all") == "all":
        return []
    pools = pools_of(wildcards.scan)
    return sorted({path for pool in pools for path in needed_matrices(pool)})


def pools_of(scan):
    return [pool for pool, e in config["noise_pools"].items() if scan in e.get("scans", [])]


def get_scan_file(wildcards):
    return config["scans"][wildcards.scan]["path"]


def get_store(wildcards):
    """Return a public store with what is needed to fetch from it and to tell whose it is."""
    store = STORES[config["scans"][wildcards.scan]["store"]]
    keys = ("name", "title", "url", "kind", "sha256", "size_MB", "license", "citation")
    return {key: getattr(store, key) for key in keys}


# noise


def get_pool_scans(wildcards):
    return [f"results/scans/{scan}.mdf" for scan in config["noise_pools"][wildcards.pool]["scans"]]


def get_pool_matrices(wildcards):
    """Return the stores that the frequencies of a pool are taken from, none for all frequencies."""
    if config["noise_pools"][wildcards.pool].get("frequencies", "all") == "all":
        return []
    return needed_matrices(wildcards.pool)


def needed_matrices(pool):
    """Return the stores of all components that a pool is noise for."""
    users = [
        (e["dataset"], s) for e in pool_users("experiments", pool) for s in ("train", "validation")
    ]
    users += [(t["dataset"], "test") for t in pool_users("test_sets", pool)]
    return sorted({path for dataset, split in users for path in batches(dataset, split)})


def needs_twins(pool):
    """Tell whether noise of the twins of all components is drawn from a pool."""
    users = pool_users("test_sets", pool)
    return any(method in TWINS for entry in users for method in entry["methods"])


def pool_users(section, pool):
    return [entry for entry in config[section].values() if entry["noise_pool"] == pool]


def get_pool_settings(wildcards):
    """Return the settings of a pool without its inputs."""
    inputs = ("scans", "frequencies", "sequence")
    entry = config["noise_pools"][wildcards.pool]
    return {key: value for key, value in entry.items() if key not in inputs}


def get_pool_sequence(wildcards):
    return config["sequences"][config["noise_pools"][wildcards.pool]["sequence"]]


# training


def get_training_batches(wildcards):
    return batches(config["experiments"][wildcards.experiment]["dataset"], "train")


def get_validation_batches(wildcards):
    return batches(config["experiments"][wildcards.experiment]["dataset"], "validation")


def get_experiment_pool(wildcards):
    return f"results/noise/{config['experiments'][wildcards.experiment]['noise_pool']}.h5"


def get_recipe(wildcards):
    entry = config["experiments"][wildcards.experiment]
    keys = ("task", "degradation", "dimension", "network", "phase", "guess", "training")
    return {key: entry[key] for key in keys if key in entry}


def get_names(wildcards):
    """Return what the card of a model calls its data."""
    entry = config["experiments"][wildcards.experiment]
    names = {key: entry[key] for key in ("dataset", "noise_pool")}
    return {"experiment": wildcards.experiment, **names}


def get_inference(wildcards):
    """Return how a network is used, nothing for classical methods."""
    method = single_method(wildcards.method)
    return config["experiments"].get(method, {}).get("inference", {})


# evaluation


def get_test_batches(wildcards):
    return batches(config["test_sets"][wildcards.test_set]["dataset"], "test")


def get_test_pool(wildcards):
    return f"results/noise/{config['test_sets'][wildcards.test_set]['noise_pool']}.h5"


def get_test_settings(wildcards):
    entry = config["test_sets"][wildcards.test_set]
    keys = (
        "task",
        "degradation",
        "components_per_matrix",
        "sigma",
        "sigma_convention",
        "particle_state",
    )
    return {key: entry[key] for key in keys if key in entry}


def get_baseline(wildcards):
    """Return the options of a classical method without its label, None for a network."""
    entry = config["baselines"].get(single_method(wildcards.method))
    return entry and {key: value for key, value in entry.items() if key != "label"}


# tables


def get_table_evaluations(wildcards):
    return [
        f"results/evaluation/{test_set}/{method}.csv"
        for test_set in config["tables"][wildcards.table]["test_sets"]
        for method in config["test_sets"][test_set]["methods"]
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
        "size_ranges": entry.get("size_ranges", []),
        "test_sets": [
            {"name": name, **{key: test_set[key] for key in keys if key in test_set}}
            for name, test_set in test_sets.items()
        ],
        "labels": {method: label(method) for method in methods},
        "alignments": {
            method: config["baselines"][method].get("alignment", "aligned")
            for method in methods
            if config["baselines"].get(method, {}).get("method") == "spline"
        },
    }


# claims


def published_names():
    """Return the methods of the study that methods stand for, in any table."""
    tables = config["tables"].values()
    return {ours: theirs for entry in tables for ours, theirs in entry["published"].items()}


def claim_sets():
    """Return the test sets of all tables, each with the table that it belongs to."""
    return [(name, entry) for entry in config["tables"].values() for name in entry["test_sets"]]


def claim_methods(test_set):
    """Return the methods of a test set that stand for one of the study."""
    return [m for m in config["test_sets"][test_set]["methods"] if m in published_names()]


def get_claim_evaluations(wildcards):
    test_sets = dict.fromkeys(name for name, _ in claim_sets())
    return [
        f"results/evaluation/{name}/{method}.csv"
        for name in test_sets
        for method in claim_methods(name)
    ]


def claim_scores():
    """Return the scored components of each calibration scan with known truth, by measurement."""
    return {
        name: [f"results/reconstructions/{name}.csv"]
        for name, entry in config["measurements"].items()
        if has_truth(true_scan(name)) and set(entry["methods"]) & set(published_names())
    }


def get_claim_scores(wildcards):
    return [path for paths in claim_scores().values() for path in paths]


def scan_dimension(scan):
    """Return the driven axes of a virtual scan."""
    sequence = config["sequences"][SCAN_ENTRIES[scan]["sequence"]]
    return sum(amplitude > 0 for amplitude in sequence["drive_amplitude_mT"])


def get_claim_settings(wildcards):
    experiments = config["experiments"]
    measurements = config["measurements"]
    return {
        "scores": claim_scores(),
        "tables": [
            {
                "number": entry["number"],
                "dimension": config["test_sets"][name]["dimension"],
                "test_set": name,
                "published": entry["published"],
                "size_ranges": entry.get("size_ranges", []),
            }
            for name, entry in claim_sets()
        ],
        "scans": [
            {
                "measurement": name,
                "task": measurements[name]["task"],
                "dimension": scan_dimension(true_scan(name)),
                "published": published_names(),
            }
            for name in claim_scores()
        ],
        "training": {
            name: {
                "matrices": DATASETS[entry["dataset"]]["matrices"]["train"],
                "steps": entry["training"]["steps"],
            }
            for name, entry in experiments.items()
        },
        "labels": {name: label(name) for name in published_names()},
    }


# times of calibrations


def get_timed_measurements(wildcards):
    """Return the measurements that save time, with the scans that tell how much."""
    timed = []
    for name, entry in config["measurements"].items():
        found = {
            "name": name,
            "task": entry["task"],
            "calibration": f"results/scans/{entry['calibration']}.mdf",
            "robot_time_s": entry.get("robot_time_s", 0.0),
        }
        if "factor" in entry:
            timed.append(
                found | {"factor": entry["factor"], "decimate": entry.get("decimate", False)}
            )
        elif entry["reference"]:
            timed.append(found | {"reference": f"results/scans/{entry['reference']}.mdf"})
    return timed


def get_timed_scans(wildcards):
    measurements = get_timed_measurements(wildcards)
    return sorted(
        {m[key] for m in measurements for key in ("calibration", "reference") if key in m}
    )


# restoration


def get_calibration(wildcards):
    return f"results/scans/{MEASUREMENTS[wildcards.measurement]['calibration']}.mdf"


def scan_to_restore(measurement):
    """Return the calibration as it was measured, or as another measurement restored it."""
    entry = MEASUREMENTS[measurement]
    prior = entry.get("prior")
    if prior:
        return matrix_of(prior["measurement"], prior["method"])
    return matrix_of(measurement, "measured")


def get_scan_to_restore(wildcards):
    return scan_to_restore(wildcards.measurement)


def scan_task_of(measurement):
    """Return the task of a measurement with what it needs to know."""
    entry = MEASUREMENTS[measurement]
    keys = ("task", "factor", "decimate", "missing")
    return {key: entry[key] for key in keys if key in entry}


def get_scan_task(wildcards):
    return scan_task_of(wildcards.measurement)


def get_rows_to_restore(wildcards):
    """Return the settings that choose the components to restore, None to restore all.

    Those are scored, and reconstructed with, here or where this is the prior. Of a realization,
    nothing else is looked at.
    """
    name = wildcards.measurement
    if config["measurements"].get(name, {"restore": "needed"}).get("restore", "all") == "all":
        return None
    users = [e for e in MEASUREMENTS.values() if e.get("prior", {}).get("measurement") == name]
    return [entry["reconstruction"] for entry in (MEASUREMENTS[name], *users)]


def reading_of(measurement):
    """Return how the calibrations of a measurement are read, as far as it says so."""
    reconstruction = MEASUREMENTS[measurement]["reconstruction"]
    return {
        key: reconstruction[key]
        for key in ("background", "spectral_leakage")
        if key in reconstruction
    }


def mask_of(measurement):
    """Return the file that says which positions are missing, nothing if the configuration does."""
    missing = MEASUREMENTS[measurement].get("missing", {})
    return [missing["file"]] if "file" in missing else []


def get_mask(wildcards):
    return mask_of(wildcards.measurement)


def get_background_factor(wildcards):
    """Return the factor of the background noise that classical methods are told; None of networks."""
    if single_method(wildcards.method) in config["baselines"]:
        return MEASUREMENTS[wildcards.measurement]["baseline_sigma_factor"]
    return None


# reconstruction


def get_matrices(wildcards):
    """Return the system matrices that a measurement is reconstructed with."""
    name = wildcards.measurement
    return [matrix_of(name, variant) for variant in variants(name)]


def get_variants(wildcards):
    """Return their names, each with the one for readers."""
    name = wildcards.measurement
    return {variant: variant_label(name, variant) for variant in variants(name)}


def get_phantom(wildcards):
    return f"results/scans/{MEASUREMENTS[wildcards.measurement]['phantom']}.mdf"


def get_phantom_empty(wildcards):
    """Return the empty scan that is subtracted from a phantom scan, nothing if there is none."""
    empty = MEASUREMENTS[wildcards.measurement].get("empty")
    return [f"results/scans/{empty}.mdf"] if empty else []


def get_truth_to_score(wildcards):
    """Return the truth that components are compared with, nothing if nobody knows it."""
    return truth_of(true_scan(wildcards.measurement))


def get_phantom_truth(wildcards):
    return truth_of(MEASUREMENTS[wildcards.measurement]["phantom"])


def get_reconstruction_settings(wildcards):
    return MEASUREMENTS[wildcards.measurement]["reconstruction"]


def get_images(wildcards):
    """Return the images of a measurement and its realizations."""
    names = with_repetitions(wildcards.measurement)
    return [f"results/reconstructions/{name}.h5" for name in names]


def scores_of(measurement):
    """Return the component scores of a measurement and its realizations; without truth there are none."""
    return [
        f"results/reconstructions/{name}.csv"
        for name in with_repetitions(measurement)
        if has_truth(true_scan(name))
    ]


def get_scores(wildcards):
    return scores_of(wildcards.measurement)


def evaluations_of(test_set, methods):
    """Return the evaluations of a test set by methods."""
    return [f"results/evaluation/{test_set}/{method}.csv" for method in methods]


def get_transfer_panels(wildcards):
    """Return what each panel of the figure shows."""
    panels = []
    for panel in config["figures"]["transfer"]["panels"]:
        test_set = config["test_sets"][panel["test_set"]]
        measured = config["measurements"][panel["measurement"]]["methods"]
        methods = [m for m in measured if m in test_set["methods"] and m != panel["baseline"]]
        panels.append(
            {
                "title": panel["title"],
                "baseline": panel["baseline"],
                "baseline_label": label(panel["baseline"]),
                "labels": {method: label(method) for method in methods},
                "sigma_convention": test_set["sigma_convention"],
                "evaluations": evaluations_of(panel["test_set"], [panel["baseline"], *methods]),
                "scores": scores_of(panel["measurement"]),
            }
        )
    return panels


def get_transfer_rows(wildcards):
    panels = get_transfer_panels(wildcards)
    return sorted({p for panel in panels for p in panel["evaluations"] + panel["scores"]})


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


# figures


def get_figure1_batches(wildcards):
    entry = config["figures"]["figure1"]
    return batches(entry["dataset"], entry["split"])


def get_figure2_phantoms(wildcards):
    names = config["figures"]["figure2"]["phantoms"]
    return {name: config["phantoms"][name] for name in names}


# Figures of measurements, with what tells them apart in the report.
MEASUREMENT_FIGURES = {
    f"figure{number}": f"{number}, scan {config['figures'][f'figure{number}']['measurement']}"
    for number in range(3, 7)
    if f"figure{number}" in config["figures"]
}


def figure_measurement(figure):
    return config["measurements"][config["figures"][figure]["measurement"]]


def figure_variants(figure):
    """Return the system matrices that a figure shows: all, or chosen methods."""
    entry = config["figures"][figure]
    name = entry["measurement"]
    others = set(config["measurements"][name]["methods"]) - set(entry.get("methods", []))
    return [v for v in variants(name) if "methods" not in entry or v not in others]


def figure_matrices(figure):
    name = config["figures"][figure]["measurement"]
    return [matrix_of(name, variant) for variant in figure_variants(figure)]


def figure_images(figure):
    return f"results/reconstructions/{config['figures'][figure]['measurement']}.h5"


def figure_seen(figure):
    """Return what methods restore, nothing if this is the calibration as it was measured."""
    entry = figure_measurement(figure)
    if not {"prior", "missing"} & set(entry) and not entry.get("decimate"):
        return []
    return [scan_to_restore(config["figures"][figure]["measurement"])]


def figure_seen_image(figure):
    """Return the images of what methods restore, nothing if voxels are missing in it."""
    entry = figure_measurement(figure)
    prior = entry.get("prior")
    if not prior or "missing" in entry or entry.get("decimate"):
        return []
    return [f"results/reconstructions/{prior['measurement']}.h5"]


def figure_columns(figure):
    """Return what the columns are called, in the files of images and for readers."""
    name = config["figures"][figure]["measurement"]
    prior = figure_measurement(figure).get("prior", {})
    return {
        "labels": {variant: variant_label(name, variant) for variant in figure_variants(figure)},
        "seen": prior.get("method", "/"),
        "seen_label": seen_label(figure),
    }


def figure_mask(figure):
    return mask_of(config["figures"][figure]["measurement"])


def seen_label(figure):
    """Return the name for readers of what methods restore."""
    entry = figure_measurement(figure)
    words = []
    if "prior" in entry:
        task = config["measurements"][entry["prior"]["measurement"]]["task"]
        done = {"denoising": "Denoised", "inpainting": "Inpainted"}.get(task, "Restored")
        words.append(f"{done} ({label(entry['prior']['method'])})")
    if entry.get("decimate"):
        words.append(f"Decimated (1 of {entry['factor']} per axis)")
    if "missing" in entry:
        words.append("Masked")
    return ", ".join(words)

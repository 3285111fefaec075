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
    keys = ("task", "degradation", "dimension", "network", "phase", "training")
    return {key: entry[key] for key in keys if key in entry}


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
    test_sets = [config["test_sets"][name] for name in entry["test_sets"]]
    return {
        "number": entry["number"],
        "caption": entry["caption"],
        "published_names": entry["published"],
        "task": test_sets[0]["task"],
        "dimension": test_sets[0]["dimension"],
        "labels": {method: label(method) for t in test_sets for method in t["methods"]},
    }


# restoration


def get_calibration(wildcards):
    return f"results/scans/{MEASUREMENTS[wildcards.measurement]['calibration']}.mdf"


def get_scan_to_restore(wildcards):
    """Return the calibration as it was measured, or as another measurement restored it."""
    prior = MEASUREMENTS[wildcards.measurement].get("prior")
    return matrix_of(prior["measurement"], prior["method"]) if prior else get_calibration(wildcards)


def get_scan_task(wildcards):
    """Return the task of a measurement with what it needs to know."""
    entry = MEASUREMENTS[wildcards.measurement]
    keys = ("task", "factor", "decimate", "missing")
    return {key: entry[key] for key in keys if key in entry}


def get_rows_to_restore(wildcards):
    """Return the settings that choose the components of a realization, None to restore all.

    Those are scored, and reconstructed with, here or where this is the prior.
    """
    name = wildcards.measurement
    if name in config["measurements"]:
        return None
    users = [e for e in MEASUREMENTS.values() if e.get("prior", {}).get("measurement") == name]
    return [entry["reconstruction"] for entry in (MEASUREMENTS[name], *users)]


def get_mask(wildcards):
    """Return the file that says which positions are missing, nothing if the configuration does."""
    missing = MEASUREMENTS[wildcards.measurement].get("missing", {})
    return [missing["file"]] if "file" in missing else []


def get_sigma_factor(wildcards):
    """Return the noise factor of classical methods; networks are not told the noise."""
    if single_method(wildcards.method) in config["baselines"]:
        return MEASUREMENTS[wildcards.measurement]["baseline_sigma_factor"]
    return 1.0


# reconstruction


def get_matrix(wildcards):
    return matrix_of(wildcards.measurement, wildcards.variant)


def get_phantom(wildcards):
    return f"results/scans/{MEASUREMENTS[wildcards.measurement]['phantom']}.mdf"


def get_phantom_empty(wildcards):
    """Return the empty scan that is subtracted from a phantom scan, nothing if there is none."""
    empty = MEASUREMENTS[wildcards.measurement].get("empty")
    return [f"results/scans/{empty}.mdf"] if empty else []


def get_calibration_truth(wildcards):
    return truth_of(true_scan(wildcards.measurement))


def get_phantom_truth(wildcards):
    return truth_of(MEASUREMENTS[wildcards.measurement]["phantom"])


def get_reconstruction_settings(wildcards):
    return MEASUREMENTS[wildcards.measurement]["reconstruction"]


def get_images(wildcards):
    """Return the images of a measurement and its realizations."""
    return [
        f"results/reconstructions/{name}/{variant}.h5"
        for name in with_repetitions(wildcards.measurement)
        for variant in variants(name)
    ]


def scores_of(measurement, methods=None):
    """Return the component scores of a measurement and its realizations; without truth there are none."""
    return [
        f"results/reconstructions/{name}/{variant}.csv"
        for name in with_repetitions(measurement)
        if has_truth(true_scan(name))
        for variant in variants(name)
        if variant != "truth" and (methods is None or variant in methods)
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
                "scores": scores_of(panel["measurement"], [panel["baseline"], *methods]),
            }
        )
    return panels


def get_transfer_rows(wildcards):
    panels = get_transfer_panels(wildcards)
    return sorted({p for panel in panels for p in panel["evaluations"] + panel["scores"]})


def get_twin_comparisons(wildcards):
    """Return where methods on twins are compared with the same on single components."""
    comparisons = []
    for section, rows_of in (("test_sets", evaluations_of), ("measurements", scores_of)):
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
                        "rows": rows_of(name, [single, method]),
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


def figure3_entry():
    return config["measurements"][config["figures"]["figure3"]["measurement"]]


def get_figure3_matrices(wildcards):
    name = config["figures"]["figure3"]["measurement"]
    return [matrix_of(name, variant) for variant in variants(name) if variant != "truth"]


def get_figure3_images(wildcards):
    name = config["figures"]["figure3"]["measurement"]
    return [f"results/reconstructions/{name}/{variant}.h5" for variant in variants(name)]

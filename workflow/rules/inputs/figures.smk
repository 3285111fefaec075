# What the rules of figures.smk make, and what they depend on.

FIGURES = [
    *collect("results/figures/{figure}.{format}", figure=config["figures"], format=["pdf", "png"]),
    *collect(
        "results/figures/positions-{study}.{format}",
        study=config["position_studies"],
        format=["pdf", "png"],
    ),
]


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
    if not {"prior", "missing"} & set(entry) and not entry["decimate"]:
        return []
    return [scan_to_restore(config["figures"][figure]["measurement"])]


def figure_seen_image(figure):
    """Return the images of what methods restore, nothing if voxels are missing in it."""
    entry = figure_measurement(figure)
    prior = entry.get("prior")
    if not prior or "missing" in entry or entry["decimate"]:
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
    if entry["decimate"]:
        words.append(f"Decimated (1 of {entry['factor']} per axis)")
    if "missing" in entry:
        words.append("Masked")
    return ", ".join(words)

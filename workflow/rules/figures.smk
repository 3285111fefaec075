# figures: the figures of the study, from stores, scans, phantoms and reconstructions, never from networks


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


rule plot_figure1:
    input:
        get_figure1_batches,
    output:
        pdf="results/figures/figure1.pdf",
        png=report(
            "results/figures/figure1.png",
            caption="../report/figure1.rst",
            category="Figures",
            labels={"figure": "1, simulated components"},
        ),
    log:
        "results/logs/figures/figure1.log",
    benchmark:
        "results/benchmarks/figures/figure1.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_figure1"),
        settings=lambda wildcards: config["figures"]["figure1"],
    script:
        "../scripts/plot_figure1.py"


rule plot_figure2:
    output:
        pdf="results/figures/figure2.pdf",
        png=report(
            "results/figures/figure2.png",
            caption="../report/figure2.rst",
            category="Figures",
            labels={"figure": "2, phantoms"},
        ),
    log:
        "results/logs/figures/figure2.log",
    benchmark:
        "results/benchmarks/figures/figure2.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_figure2"),
        phantoms=get_figure2_phantoms,
    script:
        "../scripts/plot_figure2.py"


# One rule for each figure of a measurement, since each has a caption of its own.
for figure in MEASUREMENT_FIGURES:

    rule:
        name:
            f"plot_{figure}"
        input:
            matrices=figure_matrices(figure),
            images=figure_images(figure),
            seen=figure_seen(figure),
            seen_image=figure_seen_image(figure),
            mask=figure_mask(figure),
            phantom=truth_of(figure_measurement(figure)["phantom"]),
        output:
            pdf=f"results/figures/{figure}.pdf",
            png=report(
                f"results/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Figures",
                labels={"figure": MEASUREMENT_FIGURES[figure]},
            ),
        log:
            f"results/logs/figures/{figure}.log",
        benchmark:
            f"results/benchmarks/figures/{figure}.jsonl"
        localrule: True
        conda:
            "../../envs/analysis.yaml"
        params:
            code=code("plot_measurement"),
            settings=config["figures"][figure],
            task=scan_task_of(config["figures"][figure]["measurement"]),
            columns=figure_columns(figure),
            reading=reading_of(config["figures"][figure]["measurement"]),
            period=figure_measurement(figure)["reconstruction"].get("period"),
        script:
            "../scripts/plot_measurement.py"


rule plot_transfer:
    input:
        get_transfer_rows,
    output:
        pdf="results/figures/transfer.pdf",
        png=report(
            "results/figures/transfer.png",
            caption="../report/transfer_figure.rst",
            category="Figures",
            labels={"figure": "transfer"},
        ),
    log:
        "results/logs/figures/transfer.log",
    benchmark:
        "results/benchmarks/figures/transfer.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_transfer"),
        panels=get_transfer_panels,
    script:
        "../scripts/plot_transfer.py"

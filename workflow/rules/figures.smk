# figures: the figures of the study, from stores, scans, phantoms and reconstructions, never from networks


include: "inputs/figures.smk"


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

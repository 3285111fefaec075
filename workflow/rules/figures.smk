# figures: the figures of the study, from stores, scans and reconstructions, never from networks


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


rule plot_figure3:
    input:
        matrices=get_figure3_matrices,
        images=get_figure3_images,
        truth=lambda wildcards: truth_of(figure3_entry()["calibration"]),
        phantom=lambda wildcards: truth_of(figure3_entry()["phantom"]),
    output:
        pdf="results/figures/figure3.pdf",
        png=report(
            "results/figures/figure3.png",
            caption="../report/figure3.rst",
            category="Figures",
            labels={"figure": "3, restored scan"},
        ),
    log:
        "results/logs/figures/figure3.log",
    benchmark:
        "results/benchmarks/figures/figure3.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_figure3"),
        components=lambda wildcards: config["figures"]["figure3"]["components"],
    script:
        "../scripts/plot_figure3.py"


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

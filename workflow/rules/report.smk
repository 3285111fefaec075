# report: one page with all tables and figures, which opens without a network


rule write_report:
    input:
        tables=[path for path in TABLES if path.endswith(".md")],
        figures=[path for path in FIGURES if path.endswith(".png")],
        curves=[path for path in CURVES if path.endswith(".png")],
        # Linked from the page.
        pdfs=[path for path in [*FIGURES, *CURVES] if path.endswith(".pdf")],
        scans=USED_SCANS,
        captions=[
            ROOT / f"workflow/report/{name}.rst"
            for name in ("workflow", "table2", "transfer", "transfer_figure", "twins", "figure1", "figure3", "training_curve")
        ],
    output:
        "results/report.html",
    log:
        "results/logs/report.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("write_report"),
        config=config,
        labels={name: label(name) for name in [*config["baselines"], *config["experiments"]]},
        benchmarks="results/benchmarks",
    script:
        "../scripts/write_report.py"

# report: one page with all tables and figures, which opens without a network


include: "inputs/report.smk"


rule write_report:
    input:
        tables=[path for path in TABLES if path.endswith(".md")],
        figures=[path for path in FIGURES if path.endswith(".png")],
        curves=[path for path in CURVES if path.endswith(".png")],
        noise=[path for path in NOISE_FIGURES if path.endswith(".png")],
        # Linked from the page.
        pdfs=[path for path in [*FIGURES, *CURVES, *NOISE_FIGURES] if path.endswith(".pdf")],
        files=[path for path in TABLES if not path.endswith(".md")],
        scans=USED_SCANS,
        cards=collect("results/models/{experiment}/card.json", experiment=LEARNED),
        captions=sorted((ROOT / "workflow/report").glob("*.rst")),
        # What is reduced is what differs from these.
        study=[ROOT / "config.yaml", ROOT / "config/paper.yaml"],
        # Read below config.yaml.
        base=ROOT / "config/study.yaml",
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
        labels={name: label(name) for name in METHODS},
        datasets=config["datasets"],
        # With files that the page tells of only as long as they are there.
        results=lambda wildcards, output: os.path.dirname(output[0]),
    script:
        "../scripts/write_report.py"

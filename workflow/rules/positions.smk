# positions: parts of calibration scans -> how few positions are enough


include: "inputs/positions.smk"


rule study_positions:
    input:
        calibration="results/scans/{scan}.mdf",
        truth=lambda wildcards: truth_of(wildcards.scan),
        phantom=get_study_phantom,
        concentration=get_study_concentration,
        networks=get_study_networks,
    output:
        "results/positions/{study}/{scan}.csv",
    log:
        "results/logs/positions/{study}/{scan}.log",
    benchmark:
        "results/benchmarks/positions/{study}/{scan}.jsonl"
    wildcard_constraints:
        study=names("position_studies"),
    conda:
        "../../envs/training.yaml"
    params:
        code=code("study_positions"),
        seed=config["seed"],
        study=get_study_settings,
    script:
        "../scripts/study_positions.py"


rule tabulate_positions:
    input:
        get_studied_scans,
    output:
        csv="results/tables/positions-{study}.csv",
        markdown=report(
            "results/tables/positions-{study}.md",
            caption="../report/positions.rst",
            category="Tables",
            labels={"table": "positions, {study}"},
        ),
    log:
        "results/logs/tables/positions-{study}.log",
    wildcard_constraints:
        study=names("position_studies"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("tabulate_positions"),
    script:
        "../scripts/tabulate_positions.py"


rule plot_positions:
    input:
        "results/tables/positions-{study}.csv",
    output:
        pdf="results/figures/positions-{study}.pdf",
        png=report(
            "results/figures/positions-{study}.png",
            caption="../report/positions_figure.rst",
            category="Figures",
            labels={"figure": "positions, {study}"},
        ),
    log:
        "results/logs/figures/positions-{study}.log",
    wildcard_constraints:
        study=names("position_studies"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_positions"),
    script:
        "../scripts/plot_positions.py"

# tables: evaluations -> the tables of the study, its values beside ours


include: "inputs/tables.smk"


rule make_table:
    input:
        evaluations=get_table_evaluations,
        published=workflow.source_path("../published/tables.csv"),
    output:
        csv="results/tables/{table}.csv",
        markdown=report(
            "results/tables/{table}.md",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        latex="results/tables/{table}.tex",
    log:
        "results/logs/tables/{table}.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("make_table"),
        settings=get_table_settings,
    script:
        "../scripts/make_table.py"


rule make_twin_table:
    input:
        get_twin_rows,
    output:
        csv="results/tables/twins.csv",
        markdown=report(
            "results/tables/twins.md",
            caption="../report/twins.rst",
            category="Tables",
            labels={"table": "twin frequencies"},
        ),
    log:
        "results/logs/tables/twins.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("make_twin_table"),
        comparisons=get_twin_comparisons,
    script:
        "../scripts/make_twin_table.py"


rule check_claims:
    input:
        evaluations=get_claim_evaluations,
        scores=get_claim_scores,
        published=workflow.source_path("../published/tables.csv"),
        claims=workflow.source_path("../published/claims.yaml"),
    output:
        csv="results/tables/claims.csv",
        markdown=report(
            "results/tables/claims.md",
            caption="../report/claims.rst",
            category="Tables",
            labels={"table": "claims of the study"},
        ),
    log:
        "results/logs/tables/claims.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("check_claims"),
        settings=get_claim_settings,
    script:
        "../scripts/check_claims.py"


rule tabulate_calibration_times:
    input:
        get_timed_scans,
    output:
        csv="results/tables/calibration-time.csv",
        markdown=report(
            "results/tables/calibration-time.md",
            caption="../report/calibration_time.rst",
            category="Tables",
            labels={"table": "time of calibrations"},
        ),
    log:
        "results/logs/tables/calibration-time.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("tabulate_calibration_times"),
        measurements=get_timed_measurements,
    script:
        "../scripts/tabulate_calibration_times.py"

# tables: evaluations -> the tables of the study, its values beside ours


rule make_table:
    input:
        evaluations=get_table_evaluations,
        published=workflow.source_path("../published/tables.csv"),
    output:
        csv="results/tables/{table}.csv",
        markdown=report(
            "results/tables/{table}.md",
            caption="../report/table2.rst",
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

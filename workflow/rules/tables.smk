# tables: evaluations -> the tables of the study, its values beside ours


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

# parameters: draws of table 1 of the study, one row per system matrix


include: "inputs/parameters.smk"


rule sample_parameters:
    output:
        "results/parameters/{dataset}/{split}.csv",
    log:
        "results/logs/parameters/{dataset}/{split}.log",
    benchmark:
        "results/benchmarks/parameters/{dataset}/{split}.jsonl"
    localrule: True
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("sample_parameters"),
        seed=config["seed"],
        matrices=lambda wildcards: config["datasets"][wildcards.dataset]["matrices"][
            wildcards.split
        ],
        settings=get_draw_settings,
    script:
        "../scripts/sample_parameters.py"

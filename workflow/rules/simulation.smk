# simulation: parameters -> system matrices, in batches
#
# On one computer, jobs of one thread side by side use its cores better than jobs of several; a
# cluster gives them cores by cpus_per_task.


include: "inputs/simulation.smk"


rule simulate_batch:
    input:
        "results/parameters/{dataset}/{split}.csv",
    output:
        "results/system_matrices/{dataset}/{split}/{batch}.h5",
    log:
        "results/logs/simulation/{dataset}/{split}/{batch}.log",
    benchmark:
        "results/benchmarks/simulation/{dataset}/{split}/{batch}.jsonl"
    conda:
        "../../envs/simulation.yaml"
    resources:
        mem_mb=2000,
    params:
        code=code("simulate_batch"),
        seed=config["seed"],
        batches=lambda wildcards: len(batches(wildcards.dataset, wildcards.split)),
        evaluator=lambda wildcards: config["datasets"][wildcards.dataset]["evaluator"],
        components=lambda wildcards: config["datasets"][wildcards.dataset]["components"],
    script:
        "../scripts/simulate_batch.py"

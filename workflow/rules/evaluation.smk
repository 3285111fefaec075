# evaluation: one row per component of a simulated test set


include: "inputs/evaluation.smk"


rule evaluate_method:
    input:
        matrices=get_test_batches,
        noise_pool=get_test_pool,
        model=lambda wildcards: model_of(wildcards.method),
        training_pool=lambda wildcards: training_pool_of(wildcards.method),
    output:
        "results/evaluation/{test_set}/{method}.csv",
    log:
        "results/logs/evaluation/{test_set}/{method}.log",
    benchmark:
        "results/benchmarks/evaluation/{test_set}/{method}.jsonl"
    conda:
        "../../envs/training.yaml"
    params:
        code=code("evaluate_method"),
        seed=config["seed"],
        settings=get_test_settings,
        baseline=get_baseline,
        twins=lambda wildcards: wildcards.method in TWINS,
        inference=get_inference,
    script:
        "../scripts/evaluate_method.py"

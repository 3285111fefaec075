# evaluation: one row per component of a simulated test set


include: "inputs/evaluation.smk"


rule evaluate_method:
    input:
        matrices=lambda wildcards: batches(test_set_of(wildcards)["dataset"], "test"),
        noise_pool=lambda wildcards: f"results/noise/{test_set_of(wildcards)['noise_pool']}.h5",
        model=lambda wildcards: model_of(wildcards.method),
        denoiser=lambda wildcards: denoiser_of(wildcards.method),
        training_pools=lambda wildcards: training_pools_of(wildcards.method),
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
        denoising=get_denoising,
    script:
        "../scripts/evaluate_method.py"

# noise: empty scans -> pools of noise by receive channel and frequency


rule build_noise_pool:
    input:
        lambda wildcards: f"results/scans/{config['noise_pools'][wildcards.pool]['scan']}.mdf",
    output:
        "results/noise/{pool}.h5",
    log:
        "results/logs/noise/{pool}.log",
    benchmark:
        "results/benchmarks/noise/{pool}.jsonl"
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("build_noise_pool"),
        background_level=lambda wildcards: config["noise_pools"][wildcards.pool]["background_level"],
    script:
        "../scripts/build_noise_pool.py"

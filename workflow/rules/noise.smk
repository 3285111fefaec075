# noise: scans without a sample -> pools of noise by receive channel and frequency


include: "inputs/noise.smk"


rule build_noise_pool:
    input:
        scans=lambda wildcards: collect(
            "results/scans/{scan}.mdf", scan=pool_of(wildcards)["scans"]
        ),
        matrices=get_pool_matrices,
    output:
        "results/noise/{pool}.h5",
    log:
        "results/logs/noise/{pool}.log",
    benchmark:
        "results/benchmarks/noise/{pool}.jsonl"
    wildcard_constraints:
        pool=names("noise_pools", model=None),
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("build_noise_pool"),
        twins=lambda wildcards: needs_twins(wildcards.pool),
        settings=get_pool_settings,
    script:
        "../scripts/build_noise_pool.py"


rule draw_noise_pool:
    input:
        matrices=get_pool_matrices,
    output:
        "results/noise/{pool}.h5",
    log:
        "results/logs/noise/{pool}.log",
    benchmark:
        "results/benchmarks/noise/{pool}.jsonl"
    wildcard_constraints:
        pool=names("noise_pools", "model"),
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("draw_noise_pool"),
        twins=lambda wildcards: needs_twins(wildcards.pool),
        seed=config["seed"],
        settings=get_pool_settings,
        sequence=lambda wildcards: config["sequences"][pool_of(wildcards)["sequence"]],
    script:
        "../scripts/draw_noise_pool.py"


rule plot_noise_pool:
    input:
        "results/noise/{pool}.h5",
    output:
        pdf="results/noise/{pool}.pdf",
        png=report(
            "results/noise/{pool}.png",
            caption="../report/noise_pool.rst",
            category="Noise",
            labels={"pool": "{pool}"},
        ),
    log:
        "results/logs/noise/{pool}.plot.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_noise_pool"),
    script:
        "../scripts/plot_noise_pool.py"

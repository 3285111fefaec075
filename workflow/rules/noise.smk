# noise: scans without a sample -> pools of noise by receive channel and frequency


def get_pool_scans(wildcards):
    return [f"results/scans/{scan}.mdf" for scan in config["noise_pools"][wildcards.pool]["scans"]]


def get_pool_matrices(wildcards):
    """Return the stores that the frequencies of a pool are taken from, none for all frequencies."""
    if config["noise_pools"][wildcards.pool].get("frequencies", "all") == "all":
        return []
    return needed_matrices(wildcards.pool)


def needed_matrices(pool):
    """Return the stores of all components that a pool is noise for."""
    users = [
        (e["dataset"], s) for e in pool_users("experiments", pool) for s in ("train", "validation")
    ]
    users += [(t["dataset"], "test") for t in pool_users("test_sets", pool)]
    return sorted({path for dataset, split in users for path in batches(dataset, split)})


def needs_twins(pool):
    """Tell whether noise of the twins of all components is drawn from a pool."""
    users = pool_users("test_sets", pool)
    return any(method in TWINS for entry in users for method in entry["methods"])


def pool_users(section, pool):
    return [entry for entry in config[section].values() if entry["noise_pool"] == pool]


def get_pool_settings(wildcards):
    """Return the settings of a pool without its inputs."""
    inputs = ("scans", "frequencies", "sequence")
    entry = config["noise_pools"][wildcards.pool]
    return {key: value for key, value in entry.items() if key not in inputs}


def get_pool_sequence(wildcards):
    return config["sequences"][config["noise_pools"][wildcards.pool]["sequence"]]


rule build_noise_pool:
    input:
        scans=get_pool_scans,
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
        pool="|".join(names("noise_pools", model=model) for model in ("white", "drift-white")),
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("draw_noise_pool"),
        twins=lambda wildcards: needs_twins(wildcards.pool),
        seed=config["seed"],
        settings=get_pool_settings,
        sequence=get_pool_sequence,
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

# What the rules of noise.smk make, and what they depend on.

NOISE_FIGURES = collect(
    "results/noise/{pool}.{format}", pool=config["noise_pools"], format=["pdf", "png"]
)


def pool_of(wildcards):
    return config["noise_pools"][wildcards.pool]


def get_pool_matrices(wildcards):
    """Return the stores that the frequencies of a pool are taken from, none for all frequencies."""
    if pool_of(wildcards)["frequencies"] == "all":
        return []
    return needed_matrices(wildcards.pool)


def needed_matrices(pool):
    """Return the stores of all components that a pool is noise for."""
    trained = pool_users("experiments", pool)
    users = [(dataset, "train") for entry in trained for dataset in datasets_of(entry)]
    users += [(entry["dataset"], "validation") for entry in trained]
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
    return {key: value for key, value in pool_of(wildcards).items() if key not in inputs}

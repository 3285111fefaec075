# What the rules of evaluation.smk depend on.


def get_inference(wildcards):
    """Return how a network is used, nothing for classical methods."""
    method = single_method(wildcards.method)
    return config["experiments"].get(method, {}).get("inference", {})


def get_test_batches(wildcards):
    return batches(config["test_sets"][wildcards.test_set]["dataset"], "test")


def get_test_pool(wildcards):
    return f"results/noise/{config['test_sets'][wildcards.test_set]['noise_pool']}.h5"


def get_test_settings(wildcards):
    entry = config["test_sets"][wildcards.test_set]
    keys = (
        "task",
        "degradation",
        "components_per_matrix",
        "sigma",
        "sigma_convention",
        "particle_state",
    )
    return {key: entry[key] for key in keys if key in entry}


def get_baseline(wildcards):
    """Return the options of a classical method without its label, None for a network."""
    entry = config["baselines"].get(single_method(wildcards.method))
    return entry and {key: value for key, value in entry.items() if key != "label"}

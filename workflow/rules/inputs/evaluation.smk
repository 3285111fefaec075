# What the rules of evaluation.smk make, and what they depend on.


def evaluations_of(test_set, methods):
    """Return the evaluations of a test set by methods."""
    return [f"results/evaluation/{test_set}/{method}.csv" for method in methods]


EVALUATIONS = [
    path
    for test_set, entry in config["test_sets"].items()
    for path in evaluations_of(test_set, entry["methods"])
]


def get_inference(wildcards):
    """Return how a network is used, nothing for classical methods."""
    method = single_method(wildcards.method)
    return config["experiments"][method]["inference"] if method in config["experiments"] else {}


def test_set_of(wildcards):
    return config["test_sets"][wildcards.test_set]


def get_test_settings(wildcards):
    entry = test_set_of(wildcards)
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


def single_method(method):
    """Return the method that works on single components, where one works on their twins, too."""
    return TWINS[method]["of"] if method in TWINS else method


def model_of(method):
    """Return the weights of a learned method, nothing for a classical one."""
    method = single_method(method)
    if method in config["experiments"]:
        return [f"results/models/{method}/weights.safetensors"]
    return []


def training_pool_of(method):
    """Return the noise pool that a learned method was trained with, nothing for a classical one."""
    method = single_method(method)
    if method in config["experiments"]:
        return [f"results/noise/{config['experiments'][method]['noise_pool']}.h5"]
    return []

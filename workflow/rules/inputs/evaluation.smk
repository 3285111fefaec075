# What the rules of evaluation.smk make, and what they depend on.


def evaluations_of(test_set, methods):
    """Return the evaluations of a test set by methods."""
    return [f"results/evaluation/{test_set}/{method}.csv" for method in methods]


EVALUATIONS = [
    path
    for test_set, entry in config["test_sets"].items()
    for path in evaluations_of(test_set, entry["methods"])
]


def inference_of(method):
    """Return how a network is used, nothing for classical methods."""
    return LEARNED[method]["inference"] if method in LEARNED else {}


def get_inference(wildcards):
    return inference_of(single_method(wildcards.method))


def get_denoising(wildcards):
    """Return how the network is used that denoises first."""
    method = DENOISED.get(wildcards.method)
    return inference_of(method["denoiser"]) if method else {}


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
    """Return the method for single components that one on twins or denoised ones rests on."""
    return {**TWINS, **DENOISED}.get(method, {"of": method})["of"]


def weights_of(network):
    """Return the weights of a network, nothing for a classical method."""
    return [f"results/models/{network}/weights.safetensors"] if network in LEARNED else []


def model_of(method):
    """Return the weights of a learned method, nothing for a classical one."""
    return weights_of(single_method(method))


def denoiser_of(method):
    """Return the weights of the network that denoises first, nothing for other methods."""
    return weights_of(DENOISED[method]["denoiser"]) if method in DENOISED else []


def training_pools_of(method):
    """Return the noise pools that a method was trained with in this run."""
    parts = [single_method(method), DENOISED.get(method, {}).get("denoiser")]
    pools = [config["experiments"][p]["noise_pool"] for p in parts if p in config["experiments"]]
    return [f"results/noise/{pool}.h5" for pool in dict.fromkeys(pools)]

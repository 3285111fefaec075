# What the rules of training.smk make, and what they depend on.

CURVES = collect(
    "results/models/{experiment}/curve.{format}",
    experiment=config["experiments"],
    format=["pdf", "png"],
)


def experiment_of(wildcards):
    return config["experiments"][wildcards.experiment]


def get_recipe(wildcards):
    """Return all that a training depends on, apart from its inputs."""
    entry = experiment_of(wildcards)
    keys = ("task", "degradation", "dimension", "network", "phase", "guess", "training")
    return {key: entry[key] for key in keys if key in entry}


def get_names(wildcards):
    """Return what the card of a model calls its data."""
    entry = experiment_of(wildcards)
    return {
        "experiment": wildcards.experiment,
        "dataset": entry["dataset"],
        "noise_pool": entry["noise_pool"],
    }

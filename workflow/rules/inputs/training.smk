# What the rules of training.smk depend on.


def get_training_batches(wildcards):
    return batches(config["experiments"][wildcards.experiment]["dataset"], "train")


def get_validation_batches(wildcards):
    return batches(config["experiments"][wildcards.experiment]["dataset"], "validation")


def get_experiment_pool(wildcards):
    return f"results/noise/{config['experiments'][wildcards.experiment]['noise_pool']}.h5"


def get_recipe(wildcards):
    entry = config["experiments"][wildcards.experiment]
    keys = ("task", "degradation", "dimension", "network", "phase", "guess", "training")
    return {key: entry[key] for key in keys if key in entry}


def get_names(wildcards):
    """Return what the card of a model calls its data."""
    entry = config["experiments"][wildcards.experiment]
    names = {key: entry[key] for key in ("dataset", "noise_pool")}
    return {"experiment": wildcards.experiment, **names}

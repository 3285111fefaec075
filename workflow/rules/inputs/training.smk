# What the rules of training.smk make, and what they depend on.

from smrestore.networks.cards import read_card, shipped_weights

CURVES = collect(
    "results/models/{experiment}/curve.{format}",
    experiment=config["experiments"],
    format=["pdf", "png"],
)


def experiment_of(wildcards):
    return config["experiments"][wildcards.experiment]


def datasets_of(entry):
    return [entry["dataset"], *entry["further_datasets"]]


def get_training_stores(wildcards):
    return [
        store
        for dataset in datasets_of(experiment_of(wildcards))
        for store in batches(dataset, "train")
    ]


def get_recipe(wildcards):
    """Return all that a training depends on, apart from its inputs."""
    entry = experiment_of(wildcards)
    keys = ("task", "degradation", "dimension", "network", "phase", "guess", "training")
    return {key: entry[key] for key in keys if key in entry}


def amount_of_training(network):
    """Return on how many matrices and for how many steps a network was trained."""
    if network in SHIPPED:
        card = read_card(shipped_weights(SHIPPED[network]["weights"]))
        return {"matrices": card["training"]["matrices"], "steps": card["settings"]["steps"]}
    entry = config["experiments"][network]
    matrices = sum(
        config["datasets"][dataset]["matrices"]["train"] for dataset in datasets_of(entry)
    )
    return {"matrices": matrices, "steps": entry["training"]["steps"]}


def get_names(wildcards):
    """Return what the card of a model calls its data."""
    entry = experiment_of(wildcards)
    return {
        "experiment": wildcards.experiment,
        "dataset": ", ".join(datasets_of(entry)),
        "noise_pool": entry["noise_pool"],
    }

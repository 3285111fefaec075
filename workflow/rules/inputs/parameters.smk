# What the rules of parameters.smk make, and what they depend on.

PARAMETERS = [
    f"results/parameters/{dataset}/{split}.csv"
    for dataset, entry in config["datasets"].items()
    for split, count in entry["matrices"].items()
    if count
]


def get_draw_settings(wildcards):
    keys = ("draws_of", "dimension", "model", "grid", "refinement", "sequence")
    return {key: config["datasets"][wildcards.dataset][key] for key in keys}

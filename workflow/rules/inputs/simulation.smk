# What the rules of simulation.smk make, and what they depend on.

SYSTEM_MATRICES = [
    path
    for dataset, entry in config["datasets"].items()
    for split in entry["matrices"]
    for path in batches(dataset, split)
]

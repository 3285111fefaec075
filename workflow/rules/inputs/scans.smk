# What the rules of scans.smk make, and what they depend on.

from smrestore.public.registry import read_stores

STORES = read_stores(config["downloads"].get("registry"))
SCANS = [f"results/scans/{scan}.mdf" for scan in config["scans"]]


def get_scan_settings(wildcards):
    """Return a virtual scan with everything it names, so that only its own settings matter."""
    scan = dict(config["scans"][wildcards.scan])
    # The frequencies come with the inputs.
    scan.pop("frequencies", None)
    scan["scanner_name"] = scan["scanner"]
    for key, section in (
        ("scanner", "scanners"),
        ("sequence", "sequences"),
        ("grid", "grids"),
        ("phantom", "phantoms"),
    ):
        if key in scan:
            scan[key] = config[section][scan[key]]
    return scan


def get_scan_matrices(wildcards):
    """Return the stores that the frequencies of a scan are taken from, none for all frequencies."""
    if config["scans"][wildcards.scan]["frequencies"] == "all":
        return []
    pools = pools_of(wildcards.scan)
    return sorted({path for pool in pools for path in needed_matrices(pool)})


def pools_of(scan):
    return [pool for pool, e in config["noise_pools"].items() if scan in e.get("scans", [])]


def get_scan_file(wildcards):
    return config["scans"][wildcards.scan]["path"]


def get_store(wildcards):
    """Return a public store with what is needed to fetch from it and to tell whose it is."""
    store = STORES[config["scans"][wildcards.scan]["store"]]
    keys = ("name", "title", "url", "kind", "sha256", "size_MB", "license", "citation")
    return {key: getattr(store, key) for key in keys}


def has_truth(scan):
    """Tell whether a scan comes with its truth."""
    return config["scans"][scan]["source"] == "virtual"


def truth_of(scan):
    """Return the truth of a scan, nothing if nobody knows it; repeated scans share it."""
    original = config["scans"][scan].get("repeats", scan)
    return [f"results/scans/{original}.truth.h5"] if has_truth(scan) else []

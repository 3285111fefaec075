# scans: MDF files, whatever their origin


def get_scan_settings(wildcards):
    """Return a virtual scan with everything it names, so that only its own settings matter."""
    scan = dict(SCAN_ENTRIES[wildcards.scan])
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
    if config["scans"][wildcards.scan].get("frequencies", "all") == "all":
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


rule scan_empty:
    input:
        matrices=get_scan_matrices,
    output:
        "results/scans/{scan}.mdf",
    log:
        "results/logs/scans/{scan}.log",
    benchmark:
        "results/benchmarks/scans/{scan}.jsonl"
    wildcard_constraints:
        scan=names("scans", source="virtual", kind="empty"),
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("scan_empty"),
        twins=lambda wildcards: any(map(needs_twins, pools_of(wildcards.scan))),
        seed=config["seed"],
        settings=get_scan_settings,
    script:
        "../scripts/scan_empty.py"


rule scan_calibration:
    output:
        scan="results/scans/{scan}.mdf",
        truth="results/scans/{scan}.truth.h5",
    log:
        "results/logs/scans/{scan}.log",
    benchmark:
        "results/benchmarks/scans/{scan}.jsonl"
    wildcard_constraints:
        scan=names("scans", source="virtual", kind="calibration", repeats=None),
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("scan_calibration"),
        seed=config["seed"],
        settings=get_scan_settings,
    script:
        "../scripts/scan_calibration.py"


# The same signal with other noise: nothing is simulated again.
rule repeat_calibration:
    input:
        lambda wildcards: truth_of(wildcards.scan),
    output:
        "results/scans/{scan}.mdf",
    log:
        "results/logs/scans/{scan}.log",
    benchmark:
        "results/benchmarks/scans/{scan}.jsonl"
    wildcard_constraints:
        scan="|".join(scan for scan in SCAN_ENTRIES if "repeats" in SCAN_ENTRIES[scan]) or "(?!)",
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("repeat_calibration"),
        seed=config["seed"],
        settings=get_scan_settings,
    script:
        "../scripts/repeat_calibration.py"


rule scan_phantom:
    output:
        scan="results/scans/{scan}.mdf",
        truth="results/scans/{scan}.truth.h5",
    log:
        "results/logs/scans/{scan}.log",
    benchmark:
        "results/benchmarks/scans/{scan}.jsonl"
    wildcard_constraints:
        scan=names("scans", source="virtual", kind="phantom"),
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("scan_phantom"),
        seed=config["seed"],
        settings=get_scan_settings,
    script:
        "../scripts/scan_phantom.py"


rule import_scan:
    input:
        ancient(get_scan_file),
    output:
        "results/scans/{scan}.mdf",
    log:
        "results/logs/scans/{scan}.log",
    wildcard_constraints:
        scan=names("scans", source="file"),
    localrule: True
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("import_scan"),
        kind=lambda wildcards: config["scans"][wildcards.scan]["kind"],
        slice_index=lambda wildcards: config["scans"][wildcards.scan].get("slice"),
    script:
        "../scripts/import_scan.py"


# Servers are asked by the job alone, never while the workflow is planned.
rule fetch_scan:
    output:
        "results/scans/{scan}.mdf",
    log:
        "results/logs/scans/{scan}.log",
    wildcard_constraints:
        scan=names("scans", source="download"),
    retries: 3
    localrule: True
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("fetch_scan"),
        settings=lambda wildcards: config["scans"][wildcards.scan],
        store=get_store,
        cache=config.get("downloads", {}).get("cache"),
    script:
        "../scripts/fetch_scan.py"

# scans: MDF files, whatever their origin


include: "inputs/scans.smk"


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
        scan=names("scans", "repeats"),
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
        cache=config["downloads"].get("cache"),
    script:
        "../scripts/fetch_scan.py"

# restoration: calibration scans -> restored calibration scans, MDF in and out, by methods for single
# components or by physics that is fitted to a scan


include: "inputs/restoration.smk"


rule restore_scan:
    input:
        scan=get_scan_to_restore,
        calibration=get_calibration,
        mask=get_mask,
        model=lambda wildcards: model_of(wildcards.method),
        denoiser=lambda wildcards: denoiser_of(wildcards.method),
        training_pools=lambda wildcards: training_pools_of(wildcards.method),
    output:
        "results/restored/{measurement}/{method}.mdf",
    log:
        "results/logs/restoration/{measurement}/{method}.log",
    benchmark:
        "results/benchmarks/restoration/{measurement}/{method}.jsonl"
    wildcard_constraints:
        method="|".join(set(METHODS) - set(FITTED)),
    conda:
        "../../envs/training.yaml"
    params:
        code=code("restore_scan"),
        baseline=get_baseline,
        inference=get_inference,
        denoising=get_denoising,
        task=get_scan_task,
        background_factor=get_background_factor,
        twins=lambda wildcards: wildcards.method in TWINS,
        rows=get_rows_to_restore,
        reading=lambda wildcards: reading_of(wildcards.measurement),
    script:
        "../scripts/restore_scan.py"


rule fit_scan:
    input:
        scan=get_calibration,
        mask=get_mask,
    output:
        "results/fits/{measurement}/{fit}.json",
    log:
        "results/logs/fits/{measurement}/{fit}.log",
    benchmark:
        "results/benchmarks/fits/{measurement}/{fit}.jsonl"
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("fit_scan"),
        task=get_scan_task,
        settings=lambda wildcards: config["fits"][wildcards.fit],
        reading=lambda wildcards: reading_of(wildcards.measurement),
    script:
        "../scripts/fit_scan.py"


# A fit needs the noise of the scan as it was measured, also where a prior restores it first.
rule restore_by_fit:
    input:
        scan=get_calibration,
        fit=get_fit,
        mask=get_mask,
    output:
        "results/restored/{measurement}/{method}.mdf",
    log:
        "results/logs/restoration/{measurement}/{method}.log",
    benchmark:
        "results/benchmarks/restoration/{measurement}/{method}.jsonl"
    wildcard_constraints:
        method="|".join(FITTED) or "(?!)",
    conda:
        "../../envs/simulation.yaml"
    params:
        code=code("restore_by_fit"),
        task=get_scan_task,
        use=lambda wildcards: FITTED[wildcards.method]["use"],
        refinement=lambda wildcards: FITTED[wildcards.method]["refinement"],
        allow_misfit=lambda wildcards: FITTED[wildcards.method]["allow_misfit"],
        reading=lambda wildcards: reading_of(wildcards.measurement),
    script:
        "../scripts/restore_by_fit.py"

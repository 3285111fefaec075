# restoration: calibration scans -> restored calibration scans, MDF in and out


include: "inputs/restoration.smk"


rule restore_scan:
    input:
        scan=get_scan_to_restore,
        calibration=get_calibration,
        mask=get_mask,
        model=lambda wildcards: model_of(wildcards.method),
        training_pool=lambda wildcards: training_pool_of(wildcards.method),
    output:
        "results/restored/{measurement}/{method}.mdf",
    log:
        "results/logs/restoration/{measurement}/{method}.log",
    benchmark:
        "results/benchmarks/restoration/{measurement}/{method}.jsonl"
    conda:
        "../../envs/training.yaml"
    params:
        code=code("restore_scan"),
        baseline=get_baseline,
        inference=get_inference,
        task=get_scan_task,
        background_factor=get_background_factor,
        fitted=get_fitted,
        twins=lambda wildcards: wildcards.method in TWINS,
        rows=get_rows_to_restore,
        reading=lambda wildcards: reading_of(wildcards.measurement),
    script:
        "../scripts/restore_scan.py"

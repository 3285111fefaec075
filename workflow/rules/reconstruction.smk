# reconstruction: system matrices and a phantom scan -> images, and how far both are from the truth


include: "inputs/reconstruction.smk"


# One job for all system matrices of a measurement: they share the phantom scan and the rows, and
# starting a job takes as long as its work.
rule reconstruct_scan:
    input:
        matrices=get_matrices,
        calibration=get_calibration,
        phantom=lambda wildcards: f"results/scans/{measurement_of(wildcards)['phantom']}.mdf",
        empty=get_phantom_empty,
        # Both are empty if nobody knows the truth.
        concentration=lambda wildcards: truth_of(measurement_of(wildcards)["phantom"]),
        truth=lambda wildcards: truth_of(true_scan(wildcards.measurement)),
        mask=get_mask,
    output:
        images="results/reconstructions/{measurement}.h5",
        scores="results/reconstructions/{measurement}.csv",
    log:
        "results/logs/reconstruction/{measurement}.log",
    benchmark:
        "results/benchmarks/reconstruction/{measurement}.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("reconstruct_scan"),
        settings=lambda wildcards: measurement_of(wildcards)["reconstruction"],
        variants=get_variants,
        task=get_scan_task,
        measurement=lambda wildcards: wildcards.measurement.partition("/")[0],
    script:
        "../scripts/reconstruct_scan.py"


rule make_transfer_table:
    input:
        reconstructions=get_images,
        scores=lambda wildcards: scores_of(wildcards.measurement),
    output:
        csv="results/tables/transfer-{measurement}.csv",
        markdown=report(
            "results/tables/transfer-{measurement}.md",
            caption="../report/transfer.rst",
            category="Tables",
            labels={"table": "transfer, {measurement}"},
        ),
        classes=report(
            "results/tables/transfer-{measurement}.classes.md",
            caption="../report/transfer.rst",
            category="Tables",
            labels={"table": "transfer, {measurement}, by class"},
        ),
    log:
        "results/logs/tables/transfer-{measurement}.log",
    wildcard_constraints:
        measurement=names("measurements"),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("make_transfer_table"),
        variants=lambda wildcards: variants(wildcards.measurement),
    script:
        "../scripts/make_transfer_table.py"

# reconstruction: system matrices and a phantom scan -> images, and how far both are from the truth


include: "inputs/reconstruction.smk"


# One job for all system matrices of a measurement: they share the phantom scan and the rows, and
# starting a job takes as long as its work.
rule reconstruct_scan:
    input:
        matrices=get_matrices,
        calibration=get_calibration,
        phantom=get_phantom,
        empty=get_phantom_empty,
        concentration=get_phantom_truth,
        truth=get_truth_to_score,
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
        settings=get_reconstruction_settings,
        variants=get_variants,
        task=get_scan_task,
        measurement=lambda wildcards: wildcards.measurement.partition("/")[0],
    script:
        "../scripts/reconstruct_scan.py"


rule make_transfer_table:
    input:
        reconstructions=get_images,
        scores=get_scores,
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

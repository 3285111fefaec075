# reconstruction: system matrices and a phantom scan -> images, and how far both are from the truth


def get_matrices(wildcards):
    """Return the system matrices that a measurement is reconstructed with."""
    name = wildcards.measurement
    return [matrix_of(name, variant) for variant in variants(name)]


def get_variants(wildcards):
    """Return their names, each with the one for readers."""
    name = wildcards.measurement
    return {variant: variant_label(name, variant) for variant in variants(name)}


def get_phantom(wildcards):
    return f"results/scans/{MEASUREMENTS[wildcards.measurement]['phantom']}.mdf"


def get_phantom_empty(wildcards):
    """Return the empty scan that is subtracted from a phantom scan, nothing if there is none."""
    empty = MEASUREMENTS[wildcards.measurement].get("empty")
    return [f"results/scans/{empty}.mdf"] if empty else []


def get_truth_to_score(wildcards):
    """Return the truth that components are compared with, nothing if nobody knows it."""
    return truth_of(true_scan(wildcards.measurement))


def get_phantom_truth(wildcards):
    return truth_of(MEASUREMENTS[wildcards.measurement]["phantom"])


def get_reconstruction_settings(wildcards):
    return MEASUREMENTS[wildcards.measurement]["reconstruction"]


def get_images(wildcards):
    """Return the images of a measurement and its realizations."""
    names = with_repetitions(wildcards.measurement)
    return [f"results/reconstructions/{name}.h5" for name in names]


def scores_of(measurement):
    """Return the component scores of a measurement and its realizations; without truth there are none."""
    return [
        f"results/reconstructions/{name}.csv"
        for name in with_repetitions(measurement)
        if has_truth(true_scan(name))
    ]


def get_scores(wildcards):
    return scores_of(wildcards.measurement)


def evaluations_of(test_set, methods):
    """Return the evaluations of a test set by methods."""
    return [f"results/evaluation/{test_set}/{method}.csv" for method in methods]


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

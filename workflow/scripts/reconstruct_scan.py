"""Reconstruct a phantom scan with each system matrix, and score all against the truth."""

from smrestore.evaluation.transfer.components import score_components
from smrestore.evaluation.transfer.images import Variant, reconstruct_scan
from smrestore.evaluation.transfer.rows import load_reconstruction_settings
from smrestore.support.workflow import job, optional
from smrestore.tasks.configured import configured_task
from smrestore.tasks.scan import InpaintedScan


def main(smk):
    """Map the job to two library calls."""
    settings = load_reconstruction_settings(smk.params.settings)
    variants = [
        Variant(matrix=matrix, **variant)
        for variant, matrix in zip(smk.params.variants, smk.input.matrices, strict=True)
    ]
    reconstruct_scan(
        variants,
        smk.input.calibration,
        smk.input.phantom,
        settings=settings,
        empty=optional(smk.input.empty),
        truth=optional(smk.input.concentration),
        path=smk.output.images,
    )
    task = configured_task(smk.params.task, smk.input.calibration, optional(smk.input.mask))
    score_components(
        variants,
        smk.input.calibration,
        optional(smk.input.truth),
        settings=settings,
        measurement=smk.params.measurement,
        path=smk.output.scores,
        missing=task.missing if isinstance(task, InpaintedScan) else None,
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

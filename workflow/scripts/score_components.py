"""Compare the components of one system matrix with the truth."""

from smrestore.restoration import configured_task
from smrestore.tasks.scan import InpaintedScan
from smrestore.transfer.components import score_components
from smrestore.transfer.rows import load_reconstruction_settings
from smrestore.workflow import job, optional


def main(smk):
    """Map the job to one library call."""
    task = configured_task(smk.params.task, smk.input.calibration, optional(smk.input.mask))
    score_components(
        smk.input.matrix,
        smk.input.calibration,
        optional(smk.input.truth),
        settings=load_reconstruction_settings(smk.params.settings),
        measurement=smk.params.measurement,
        method=smk.wildcards.variant,
        path=smk.output[0],
        missing=task.missing if isinstance(task, InpaintedScan) else None,
    )


if "snakemake" in globals():
    with job(snakemake.log[0]):
        main(snakemake)

"""Restore a calibration scan by the physics that was fitted to it."""

from smrestore.reconstruction.settings import calibration_reading
from smrestore.restoration.modelled import restore_by_model
from smrestore.support.workflow import job, optional
from smrestore.tasks.configured import configured_task


def main(smk):
    """Map the job to one library call."""
    restore_by_model(
        smk.input.scan,
        smk.output[0],
        smk.params.use,
        task=configured_task(smk.params.task, smk.input.scan, optional(smk.input.mask)),
        fit=smk.input.fit,
        refinement=smk.params.refinement,
        background=calibration_reading(**smk.params.reading)["background"],
        allow_misfit=smk.params.allow_misfit,
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

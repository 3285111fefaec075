"""Restore a calibration scan with one method."""

import numpy as np

from smrestore.evaluation.transfer.rows import load_reconstruction_settings, scored_rows
from smrestore.methods import load_method
from smrestore.noise.origin import warn_of_shared_scan
from smrestore.reconstruction.settings import calibration_reading
from smrestore.restoration.scan import restore_scan
from smrestore.support.workflow import job, optional
from smrestore.tasks.configured import configured_task


def main(smk):
    """Map the job to one library call."""
    for pool in smk.input.training_pools:
        warn_of_shared_scan(pool, smk.input.scan)
    task = configured_task(smk.params.task, smk.input.scan, optional(smk.input.mask))
    reading = calibration_reading(**smk.params.reading)
    chosen = None
    if smk.params.rows is not None:
        settings = [load_reconstruction_settings(entry) for entry in smk.params.rows]
        chosen = np.concatenate([scored_rows(smk.input.calibration, s).chosen for s in settings])
    restore_scan(
        smk.input.scan,
        smk.output[0],
        load_method(
            smk.params.baseline,
            optional(smk.input.model),
            task.name,
            inference=smk.params.inference,
            denoiser=optional(smk.input.denoiser),
            denoising=smk.params.denoising,
        ),
        name=smk.wildcards.method,
        task=task,
        background_factor=smk.params.background_factor,
        twins=smk.params.twins,
        chosen=chosen,
        **reading,
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

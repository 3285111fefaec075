"""Fit the physics to a calibration scan."""

from pathlib import Path

from smrestore.fitting.model import write_fits
from smrestore.fitting.settings import FitSettings
from smrestore.reconstruction.settings import calibration_reading
from smrestore.restoration.modelled import fit_calibration
from smrestore.support.workflow import job, optional
from smrestore.tasks.configured import configured_task


def main(smk):
    """Map the job to one library call."""
    fits = fit_calibration(
        smk.input.scan,
        task=configured_task(smk.params.task, smk.input.scan, optional(smk.input.mask)),
        settings=FitSettings(**smk.params.settings),
        background=calibration_reading(**smk.params.reading)["background"],
    )
    write_fits(smk.output[0], fits, Path(smk.input.scan).name)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

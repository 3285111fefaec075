"""Measure the system matrix of another virtual scan once more, with other noise."""

from smrestore.scanner import load_calibration, repeat_calibration
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    repeat_calibration(
        smk.output[0], smk.input[0], seed=smk.params.seed, **load_calibration(smk.params.settings)
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

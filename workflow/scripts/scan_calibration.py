"""Measure a system matrix with the virtual scanner."""

from smrestore.scanner import load_calibration, scan_calibration
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    scan_calibration(
        smk.output.scan,
        smk.output.truth,
        seed=smk.params.seed,
        **load_calibration(smk.params.settings),
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

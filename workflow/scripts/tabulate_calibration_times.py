"""Tabulate how long calibrations take, and what restoring them saves."""

from smrestore.evaluation.calibration_time import tabulate_calibration_times
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    tabulate_calibration_times(
        smk.params.measurements, csv=smk.output.csv, markdown=smk.output.markdown
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

"""Measure the system matrix of another virtual scan once more, with other noise."""

from smrestore.scanner import (
    load_corruption,
    load_grid,
    load_scanner,
    load_sequence,
    repeat_calibration,
)
from smrestore.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = smk.params.settings
    repeat_calibration(
        smk.output[0],
        smk.input[0],
        load_scanner(settings["scanner_name"], settings["scanner"]),
        load_sequence(settings["sequence"]),
        load_grid(settings["grid"]),
        averages=settings["averages"],
        seed=smk.params.seed,
        meandering=settings.get("meandering", False),
        corruption=load_corruption(settings.get("corruption")),
        max_mixing_order=settings.get("max_mixing_order"),
    )


if "snakemake" in globals():
    with job(snakemake.log[0]):
        main(snakemake)

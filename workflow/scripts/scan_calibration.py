"""Measure a system matrix with the virtual scanner."""

import numba

from smrestore.scanner import (
    load_corruption,
    load_grid,
    load_scanner,
    load_sequence,
    scan_calibration,
)
from smrestore.workflow import job


def main(smk):
    """Map the job to one library call."""
    numba.set_num_threads(min(smk.threads, numba.config.NUMBA_NUM_THREADS))
    settings = smk.params.settings
    scan_calibration(
        smk.output.scan,
        smk.output.truth,
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

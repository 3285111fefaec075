"""Measure an empty scan with the virtual scanner."""

from smrestore.noise.build import needed_frequencies
from smrestore.scanner import load_scanner, load_sequence, scan_empty
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = smk.params.settings
    scan_empty(
        smk.output[0],
        load_scanner(settings["scanner_name"], settings["scanner"]),
        load_sequence(settings["sequence"]),
        frames=settings["frames"],
        seed=smk.params.seed,
        max_mixing_order=settings.get("max_mixing_order"),
        frequencies=needed_frequencies(smk.input.matrices, smk.params.twins),
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

"""Measure a phantom with the virtual scanner."""

from smrestore.scanner import load_grid, load_phantom, load_scanner, load_sequence, scan_phantom
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = smk.params.settings
    scan_phantom(
        smk.output.scan,
        smk.output.truth,
        load_scanner(settings["scanner_name"], settings["scanner"]),
        load_sequence(settings["sequence"]),
        load_grid(settings["grid"]),
        load_phantom(settings["phantom"]),
        frames=settings["frames"],
        background_frames=settings["background_frames"],
        averages=settings["averages"],
        seed=smk.params.seed,
        max_mixing_order=settings.get("max_mixing_order"),
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

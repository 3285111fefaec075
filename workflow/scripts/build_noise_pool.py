"""Build a noise pool from scans."""

from smrestore.noise import build_noise_pool
from smrestore.noise.build import frequencies_of
from smrestore.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = smk.params.settings
    build_noise_pool(
        list(smk.input.scans),
        smk.output[0],
        background_level=settings["background_level"],
        frequencies=frequencies_of(smk.input.matrices) if smk.input.matrices else None,
        averages=settings.get("averages"),
        frame_range=settings.get("frame_range"),
    )


if "snakemake" in globals():
    with job(snakemake.log[0]):
        main(snakemake)

"""Build a noise pool from scans."""

from smrestore.noise import build_noise_pool
from smrestore.noise.build import needed_frequencies
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = smk.params.settings
    build_noise_pool(
        list(smk.input.scans),
        smk.output[0],
        background_level=settings["background_level"],
        frequencies=needed_frequencies(smk.input.matrices, smk.params.twins),
        averages=settings.get("averages"),
        frame_range=settings.get("frame_range"),
        period=settings.get("period"),
        spectral_leakage=settings["spectral_leakage"],
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

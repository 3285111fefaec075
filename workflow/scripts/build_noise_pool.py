"""Build a noise pool from an empty scan."""

from smrestore.noise import build_noise_pool
from smrestore.workflow import job


def main(smk):
    """Map the job to one library call."""
    build_noise_pool(smk.input[0], smk.output[0], background_level=smk.params.background_level)


if "snakemake" in globals():
    with job(snakemake.log[0]):
        main(snakemake)

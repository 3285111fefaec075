"""Plot how the noise of a pool behaves."""

from smrestore.figures.noise_pool import draw_noise_pool
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    draw_noise_pool(smk.input[0], smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

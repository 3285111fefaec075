"""Plot how the noise of a pool behaves."""

from smrestore.figures.noise_pool import draw_noise_pool
from smrestore.support.workflow import cores_of, job


def main(smk):
    """Map the job to one library call."""
    draw_noise_pool(smk.input[0], smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake.log[0], cores_of(snakemake)):
        main(snakemake)

"""Draw the quality of restored calibrations against the number of positions."""

from smrestore.figures.positions import draw_positions
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    draw_positions(smk.input[0], smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

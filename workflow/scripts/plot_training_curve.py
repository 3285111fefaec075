"""Plot the course of one training."""

from smrestore.figures.training_curve import draw_training_curve
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    draw_training_curve({smk.params.label: smk.input[0]}, smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

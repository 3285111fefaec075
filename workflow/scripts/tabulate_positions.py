"""Write how few positions are enough as a table."""

from smrestore.evaluation.positions import tabulate_positions
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    tabulate_positions(list(smk.input), csv=smk.output.csv, markdown=smk.output.markdown)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

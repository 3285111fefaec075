"""Tabulate what twin frequencies gain."""

from smrestore.evaluation.transfer.twin_table import make_twin_table
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    make_twin_table(smk.params.comparisons, csv=smk.output.csv, markdown=smk.output.markdown)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

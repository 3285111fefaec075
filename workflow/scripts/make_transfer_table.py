"""Tabulate how the methods fare on a measured scan."""

from smrestore.evaluation.transfer.table import make_transfer_table
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    make_transfer_table(
        list(smk.input.reconstructions),
        list(smk.input.scores),
        methods=smk.params.variants,
        csv=smk.output.csv,
        markdown=smk.output.markdown,
        classes=smk.output.classes,
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

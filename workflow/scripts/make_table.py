"""Make one table of the study."""

from smrestore.evaluation.tables import make_table
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    make_table(
        list(smk.input.evaluations),
        smk.input.published,
        **smk.params.settings,
        csv=smk.output.csv,
        markdown=smk.output.markdown,
        latex=smk.output.latex,
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

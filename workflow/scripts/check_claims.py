"""Check the claims of the study with the numbers of this run."""

from smrestore.evaluation.claims import check_claims
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = dict(smk.params.settings)
    check_claims(
        list(smk.input.evaluations),
        settings.pop("scores"),
        smk.input.published,
        smk.input.claims,
        **settings,
        csv=smk.output.csv,
        markdown=smk.output.markdown,
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

"""Write the page with all tables and figures."""

from smrestore.report.results import report_results
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    report_results(
        smk.output[0],
        tables=list(smk.input.tables),
        figures=list(smk.input.figures),
        curves=list(smk.input.curves),
        noise=list(smk.input.noise),
        scans=list(smk.input.scans),
        cards=list(smk.input.cards),
        captions=list(smk.input.captions),
        config=smk.params.config,
        datasets=smk.params.datasets,
        study=list(smk.input.study),
        labels=smk.params.labels,
        results=smk.params.results,
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

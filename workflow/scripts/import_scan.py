"""Check a scan from a file and link it among the scans."""

from smrestore.mdf import import_scan
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    import_scan(
        smk.input[0], smk.output[0], kind=smk.params.kind, slice_index=smk.params.slice_index
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

"""Fetch a scan from a public store."""

from smrestore.public.fetch import fetch_scan
from smrestore.public.registry import Store
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = smk.params.settings
    fetch_scan(
        Store(**smk.params.store),
        settings["file"],
        smk.output[0],
        kind=settings["kind"],
        cache=smk.params.cache,
        slice_index=settings.get("slice"),
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

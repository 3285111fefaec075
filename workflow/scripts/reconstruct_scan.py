"""Reconstruct a phantom scan with one system matrix."""

from smrestore.transfer.images import reconstruct_scan
from smrestore.transfer.rows import load_reconstruction_settings
from smrestore.workflow import job, optional


def main(smk):
    """Map the job to one library call."""
    reconstruct_scan(
        smk.input.matrix,
        smk.input.calibration,
        smk.input.phantom,
        settings=load_reconstruction_settings(smk.params.settings),
        empty=optional(smk.input.empty),
        truth=optional(smk.input.truth),
        label=smk.params.label,
        path=smk.output[0],
    )


if "snakemake" in globals():
    with job(snakemake.log[0]):
        main(snakemake)

"""Compare the components of one system matrix with the truth."""

from smrestore.transfer import load_reconstruction_settings, score_components
from smrestore.workflow import job, optional


def main(smk):
    """Map the job to one library call."""
    score_components(
        smk.input.matrix,
        smk.input.calibration,
        optional(smk.input.truth),
        settings=load_reconstruction_settings(smk.params.settings),
        measurement=smk.wildcards.measurement,
        method=smk.wildcards.variant,
        path=smk.output[0],
    )


if "snakemake" in globals():
    with job(snakemake.log[0]):
        main(snakemake)

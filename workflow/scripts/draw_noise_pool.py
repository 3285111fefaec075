"""Draw a noise pool by formula."""

from smrestore.noise import build_parametric_pool
from smrestore.noise.build import needed_frequencies
from smrestore.scanner import load_sequence
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = dict(smk.params.settings)
    build_parametric_pool(
        smk.output[0],
        name=smk.wildcards.pool,
        seed=smk.params.seed,
        n_frames=settings.pop("frames"),
        frequency_axis=load_sequence(smk.params.sequence).frequencies,
        frequencies=needed_frequencies(smk.input.matrices, smk.params.twins),
        **settings,
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

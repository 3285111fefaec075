"""Evaluate one method on a simulated test set."""

from smrestore.evaluation.scores import EvaluationSet, evaluate
from smrestore.methods import load_method
from smrestore.support.workflow import job, optional


def main(smk):
    """Map the job to one library call."""
    settings = dict(smk.params.settings)
    evaluate(
        EvaluationSet(smk.wildcards.test_set, **{**settings, "sigma": tuple(settings["sigma"])}),
        load_method(
            smk.params.baseline,
            optional(smk.input.model),
            inference=smk.params.inference,
            denoiser=optional(smk.input.denoiser),
            denoising=smk.params.denoising,
        ),
        smk.wildcards.method,
        matrices=list(smk.input.matrices),
        noise_pool=smk.input.noise_pool,
        trained_with=smk.input.training_pools,
        twins=smk.params.twins,
        seed=smk.params.seed,
        path=smk.output[0],
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

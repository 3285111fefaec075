"""Train one network."""

from smrestore.support.workflow import cores_of, job, seconds_of
from smrestore.training.device import requested_gpus
from smrestore.training.run import train
from smrestore.training.settings import load_settings


def main(smk):
    """Map the job to one library call."""
    train(
        settings=load_settings(smk.params.recipe),
        training=list(smk.input.training),
        validation=list(smk.input.validation),
        noise_pool=smk.input.noise_pool,
        seed=smk.params.seed,
        model=smk.output.model,
        history=smk.output.history,
        checkpoints=smk.params.checkpoints,
        code=smk.params.code,
        accelerator=smk.config["accelerator"],
        gpus=requested_gpus(smk.resources.get("gpu", 1), smk.resources.get("gres", "")),
        threads=cores_of(smk),
        names=smk.params.names,
        time_limit_s=seconds_of(smk.resources.get("runtime")),
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

"""Simulate one batch of system matrices."""

from pathlib import Path

from smrestore.physics.parameters import read_cases
from smrestore.simulation.batches import ComponentSelection, Resources, batch_of, simulate_batch
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    output = Path(smk.output[0])
    simulate_batch(
        batch_of(read_cases(smk.input[0]), int(smk.wildcards.batch), smk.params.batches),
        output,
        selection=ComponentSelection(**smk.params.components),
        seed=smk.params.seed,
        resources=Resources.of_job(smk.resources.mem_mb, smk.params.evaluator, output.parent),
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

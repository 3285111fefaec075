"""Simulate one batch of system matrices."""

import numba

from smrestore.parameters import read_cases
from smrestore.simulation import ComponentSelection, simulate_batch
from smrestore.workflow import job


def main(smk):
    """Map the job to one library call."""
    numba.set_num_threads(min(smk.threads, numba.config.NUMBA_NUM_THREADS))
    size = smk.params.batch_size
    first = int(smk.wildcards.batch) * size
    simulate_batch(
        read_cases(smk.input[0])[first : first + size],
        smk.output[0],
        selection=ComponentSelection(**smk.params.components),
        seed=smk.params.seed,
    )


if "snakemake" in globals():
    with job(snakemake.log[0]):
        main(snakemake)

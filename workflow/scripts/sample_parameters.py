"""Draw the parameters of one split of a dataset."""

from smrestore.physics.parameters import SizeLimits, draw_cases, write_cases
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings, sequence = smk.params.settings, smk.params.settings["sequence"]
    grid = settings["grid"]
    cases = draw_cases(
        smk.params.matrices,
        seed=smk.params.seed,
        dataset=settings["draws_of"],
        split=smk.wildcards.split,
        dimension=settings["dimension"],
        model=settings["model"],
        limits=SizeLimits(
            (grid["minimum_size"], grid["maximum_size"]),
            tuple(grid.get("average_size", (0.0, float("inf")))),
        ),
        refinement=settings["refinement"],
        dividers=tuple(sequence["dividers"]),
        base_frequency=sequence["base_frequency_Hz"],
        sampling_rate=sequence["sampling_rate_Hz"],
    )
    write_cases(smk.output[0], cases)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

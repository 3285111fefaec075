"""Restore a calibration from parts of its positions, and compare with the truth."""

from smrestore.evaluation.positions import REGULAR, StudyScans, Subset, study_positions
from smrestore.evaluation.transfer.rows import load_reconstruction_settings
from smrestore.fitting.settings import FitSettings
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    study = smk.params.study
    study_positions(
        StudyScans(
            smk.input.calibration,
            smk.input.truth[0],
            smk.input.phantom,
            smk.input.concentration[0],
        ),
        [
            *(Subset(REGULAR, n) for n in study["every"]),
            *(Subset(choice, n) for choice in study["choices"] for n in study["positions"]),
        ],
        settings=FitSettings(**study["fit"]),
        reconstruction=load_reconstruction_settings(study["reconstruction"]),
        labels=study["labels"],
        networks=dict(zip(study["factors"], smk.input.networks, strict=True)),
        seed=smk.params.seed,
        path=smk.output[0],
    )


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

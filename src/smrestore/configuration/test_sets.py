"""Test sets: components of the test split with noise of known strength."""

from typing import Annotated

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.methods import check_methods, parts_of
from smrestore.configuration.noise_pools import noise_frames, overlap
from smrestore.configuration.tasks import check_data
from smrestore.support.choices import ParticleState, SigmaConvention
from smrestore.support.faults import Key
from smrestore.support.settings import Dimension, Natural, Once, Settings, Text, setting, vector
from smrestore.tasks.options import Degradation, DenoisingOptions, TaskName
from smrestore.training.settings import SIGMA_CONVENTION, Sigma


class TestSet(Settings):
    """A simulated test set. Every method sees the same components."""

    task: TaskName = setting(..., "restoration problem")
    degradation: Degradation = setting(
        DenoisingOptions(), "options of the task", validate_default=True
    )
    dimension: Dimension = setting(..., "driven axes, of the dataset and all methods")
    dataset: Text = setting(..., "entry of `datasets`; its split `test` is used")
    noise_pool: Text = setting(
        ..., "entry of `noise_pools`, with other frames than those of the trainings"
    )
    components_per_matrix: Natural = setting(
        ..., "components drawn from each matrix of the test split", ours=True
    )
    particle_state: ParticleState | None = setting(
        None, "matrices with these particles only; all if left out", study="`fluid` in the ablation"
    )
    sigma: Annotated[vector(Sigma, 1, 100), Once] = setting(
        ..., "noise standard deviations", study="0.06, 0.1, 0.2, 0.3"
    )
    sigma_convention: SigmaConvention = setting("complex", SIGMA_CONVENTION, ours=True)
    methods: Annotated[vector(Text, 1, 1000), Once] = setting(
        ..., "baselines, experiments and twin methods to evaluate", study="all of the task"
    )


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check data and methods of a test set, and that no network was trained with its noise."""
    check_data(entries, key, entry, "test")
    check_methods(entries, key, entry, entry["dimension"])
    noise = noise_frames(entries, entry["noise_pool"])
    leaks = [
        name
        for name in entry["methods"]
        for part in parts_of(entries, name)
        if (experiment := entries.get("experiments", part))
        and overlap(noise, noise_frames(entries, experiment["noise_pool"]))
    ]
    if leaks:
        entries.fault(
            (*key, "noise_pool"),
            f"its frames were used to train {', '.join(leaks)}",
            "test with the noise of another scan, or of other frames of it",
        )

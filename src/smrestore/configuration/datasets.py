"""Datasets: simulated system matrices, drawn from table 1 of the study."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from smrestore.configuration.entries import Entries, Entry
from smrestore.configuration.sequences import (
    BaseFrequency,
    Dividers,
    SamplingRate,
    check_sampling,
    simulated_axes,
)
from smrestore.support.choices import Evaluator, ParticleModel
from smrestore.support.faults import Key
from smrestore.support.settings import (
    TAG,
    Count,
    Dimension,
    Natural,
    Number,
    Settings,
    Text,
    Whole,
    check_order,
    setting,
    union,
    vector,
)

MODEL = (
    "`anisotropy`: equilibrium magnetization with uniaxial anisotropy. `langevin`: without any, "
    "for the ablation of the study. `neel`: with anisotropy, and moments that lag behind by Neel "
    "rotation (docs/dynamics.md), which takes seconds per matrix. Blocked particles are drawn "
    "again"
)
BATCH_SIZE = (
    "matrices per simulation job on average; jobs take about equally long, so those with large "
    "grids hold fewer. Does not change the data"
)
EVALUATOR = (
    "how the mean moment is computed: by a table (errors of the spectrum below 1e-8 of the largest "
    "component), or by quadrature, the slow reference"
)
REFINEMENT = (
    "voxels for each voxel of a drawn grid along a driven axis, over the same field of view"
)


class Matrices(Settings):
    """Number of system matrices in each split; a split of 0 is left out."""

    train: Count = setting(..., "for training", study="1000 in 2D, 50 in 3D")
    validation: Count = setting(..., "for the validation during training", study="300, 15")
    test: Count = setting(..., "for test sets and figure 1", study="300, 15")


class SizeRange(Settings):
    """Limits of the calibration grids. Grids beyond them are drawn again."""

    minimum_size: Natural = setting(..., "smallest number of voxels along a driven axis", ours=True)
    maximum_size: Natural = setting(..., "largest number of voxels along a driven axis", ours=True)
    average_size: vector(Annotated[Number, Field(ge=0)], 2) | None = setting(
        None,
        "the mean over the driven axes lies above the first and not above the second value; no "
        "limit if left out",
        unit="voxels",
        study="tables 3 and 5 show (12, 30]",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.minimum_size > self.maximum_size:
            check_order((self.minimum_size, self.maximum_size), "minimum_size")
        if self.average_size is not None:
            check_order(self.average_size, "average_size")
        return self


class SharedSequence(Settings):
    """The part of the sequence that all matrices share. Field strengths are drawn."""

    base_frequency_Hz: BaseFrequency = setting(  # noqa: N815 (the unit belongs to the key)
        2.5e6, "frequency that the dividers divide", study="2.5 MHz"
    )
    dividers: Dividers = setting(
        (102, 96, 99), "divider of the drive frequency of x, y, z", study="102, 96, 99"
    )
    sampling_rate_Hz: SamplingRate = setting(  # noqa: N815
        5.0e6,
        "receive sampling rate, twice the bandwidth; a cycle must hold a whole number of samples",
        study="5 MHz (from K = 1633 frequencies in 2D, 53 857 in 3D)",
    )


class Components(Settings):
    """Which components (receive channel and frequency) of a matrix are kept."""

    norm_threshold: Number = setting(
        1e-5,
        "smallest L2 norm, relative to the largest of the matrix; moves all scores",
        ours=True,
        ge=0,
        lt=1,
    )
    maximum: Natural = setting(..., "components kept at most, drawn at random", ours=True)
    decimals: Whole | None = setting(
        None,
        "round to this many decimals and compress; 6 take two thirds of the space. Not rounded if "
        "left out",
        ge=3,
        le=7,
    )


class DrawnDataset(Settings):
    """Simulated system matrices. One row of `results/parameters/` is one matrix."""

    dimension: Dimension = setting(
        ..., "driven axes: 2 (x, y; grids in the plane z = 0) or 3", study="both"
    )
    model: ParticleModel = setting("anisotropy", MODEL, study="`anisotropy`")
    matrices: Matrices = setting()
    batch_size: Natural = setting(..., BATCH_SIZE)
    evaluator: Evaluator = setting("table", EVALUATOR)
    refinement: Natural = setting(1, REFINEMENT, study="4 for upsampling")
    components: Components = setting()
    grid: SizeRange = setting()
    sequence: SharedSequence = setting(SharedSequence())


class TwinDataset(Settings):
    """A dataset with the drawn parameters of another one.

    For example, matrix 7 of its training split is matrix 7 of the other dataset with another model
    or a finer grid.
    """

    draws_of: Text = setting(
        ..., "dataset with the same parameters; what is not given here is taken from it"
    )
    model: ParticleModel | None = setting(None, MODEL)
    matrices: Matrices = setting()
    batch_size: Natural = setting(..., BATCH_SIZE)
    evaluator: Evaluator | None = setting(None, EVALUATOR)
    refinement: Natural | None = setting(None, REFINEMENT)
    components: Components = setting()


def _tag(value: object) -> str:
    twin = "draws_of" in value if isinstance(value, dict) else isinstance(value, TwinDataset)
    return f"{TAG}twin" if twin else f"{TAG}drawn"


Dataset = union({f"{TAG}drawn": DrawnDataset, f"{TAG}twin": TwinDataset}, _tag, lambda value: value)


def resolve(entries: Entries) -> None:
    """Complete datasets that draw from others. Those that cannot are set aside with a fault."""
    given = dict(entries.sound("datasets"))
    for name, entry in given.items():
        key = ("datasets", name, "draws_of")
        other = entry.get("draws_of")
        source = entries.refer(key, other, "datasets", what="dataset") if other else {}
        if source and given[other].get("draws_of"):
            entries.fault(
                key,
                f"dataset {other!r} draws from {given[other]['draws_of']!r} itself",
                f"name {given[other]['draws_of']!r}",
            )
            source = None
        if source is None:
            entries.set_aside("datasets", name)
        else:
            source = given[other] if other else {}
            entries.put("datasets", name, {"draws_of": name, **source, **entry})


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check the sampling of a dataset."""
    if entry["draws_of"] == key[1]:  # Otherwise the dataset it draws from is checked itself.
        sequence = entry["sequence"]
        check_sampling(entries, (*key, "sequence"), sequence, simulated_axes(entry["dimension"]))

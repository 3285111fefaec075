"""The whole configuration: its sections, in the order of the data flow."""

from typing import Annotated, Any, Literal

from pydantic import Field

from smrestore.configuration.datasets import Dataset
from smrestore.configuration.experiments import Experiment
from smrestore.configuration.figures import Figures
from smrestore.configuration.grids import Grid
from smrestore.configuration.measurements import Measurement
from smrestore.configuration.methods import (
    Baseline,
    DenoisedMethod,
    FittedMethod,
    ShippedNetwork,
    TwinMethod,
)
from smrestore.configuration.noise_pools import NoisePool
from smrestore.configuration.phantoms import Phantom
from smrestore.configuration.position_studies import PositionStudy
from smrestore.configuration.scanners import Scanner
from smrestore.configuration.scans import AnyScan
from smrestore.configuration.sequences import Sequence
from smrestore.configuration.tables import Table
from smrestore.configuration.test_sets import TestSet
from smrestore.fitting.settings import FitSettings
from smrestore.support.settings import Count, Name, Settings, Text, setting


def _section(entry: Any) -> Any:
    return Annotated[dict[Name, entry], Field(min_length=1)]


class Downloads(Settings):
    """How scans of `source: download` are fetched."""

    cache: Text | None = setting(
        None,
        "folder in which downloads are kept; the cache folder of the user (`~/.cache/smrestore` on "
        "Linux) if left out",
    )
    registry: Text | None = setting(
        None,
        "YAML file with further stores, or mirrors of known ones under the same name, in the form "
        "of [stores.yaml](../src/smrestore/public/stores.yaml); relative to the working directory",
    )


class Configuration(Settings):
    """A run of the workflow."""

    base: Text | None = setting(
        None,
        "file with further settings; all others are laid over them. Its path is relative to the "
        "folder of the first configuration file, `config.yaml`",
    )
    seed: Count = setting(2026, "global seed, from which all random draws derive")
    accelerator: Literal["auto", "gpu", "cpu"] = setting(
        "auto",
        "where networks are trained; `gpu` fails without one, `auto` takes one if there is one",
    )
    downloads: Downloads = setting(Downloads())
    datasets: _section(Dataset) = setting(..., "simulated system matrices")
    scanners: _section(Scanner) = setting(..., "virtual scanners")
    sequences: _section(Sequence) = setting(..., "measurement sequences of virtual scans")
    grids: _section(Grid) = setting(..., "calibration grids of virtual scans")
    phantoms: _section(Phantom) = setting(..., "phantoms of virtual scans, lists of shapes")
    scans: _section(AnyScan) = setting(
        ..., "scans, measured by a virtual scanner or given as MDF files"
    )
    noise_pools: _section(NoisePool) = setting(
        ..., "noise of empty scans by receive channel and frequency"
    )
    baselines: _section(Baseline) = setting(..., "classical methods")
    experiments: _section(Experiment) = setting(..., "networks, one training each")
    shipped_networks: dict[Name, ShippedNetwork] = setting(
        {}, "networks that come with the package"
    )
    denoised_methods: dict[Name, DenoisedMethod] = setting(
        {}, "methods that work on components denoised by a network"
    )
    twin_methods: dict[Name, TwinMethod] = setting(
        {}, "methods that work on components averaged with their twin frequencies"
    )
    fits: dict[Name, FitSettings] = setting({}, "physics that is fitted to calibration scans")
    fitted_methods: dict[Name, FittedMethod] = setting(
        {}, "methods that restore matrices as a whole, by a fit"
    )
    test_sets: _section(TestSet) = setting(..., "simulated components with noise of known strength")
    tables: _section(Table) = setting(..., "tables of the study")
    measurements: _section(Measurement) = setting(
        ..., "restoration of calibration scans, and reconstruction with them"
    )
    position_studies: dict[Name, PositionStudy] = setting(
        {}, "how few positions of a calibration are enough"
    )
    figures: Figures = setting(..., "figures of the study")

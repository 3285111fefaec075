"""Choices of a fit, without numerical libraries."""

from typing import Annotated

from smrestore.support.choices import State
from smrestore.support.settings import Once, Settings, Whole, setting, vector


class FitSettings(Settings):
    """Which models are tried, and what they are fitted to. See [fit.md](fit.md)."""

    states: Annotated[vector(State, 1, 4), Once] = setting(
        ("fluid", "immobilized", "langevin"),
        "states of the particles that are tried; the one with the least misfit is taken. `neel`, "
        "fluid particles out of equilibrium, takes minutes more; it stays if it predicts held-out "
        "positions better",
        ours=True,
    )
    selection_degree: Whole = setting(
        5,
        "highest degree of the potentials that the selection field may deviate by; 0 for an ideal "
        "field, 1 for an offset, 2 for linear deviations",
        ours=True,
        ge=0,
        le=6,
    )
    drive_degree: Whole = setting(
        4,
        "highest degree of the harmonics by which drive fields vary in space; -1 for ideal ones",
        ours=True,
        ge=-1,
        le=6,
    )
    receive_degree: Whole = setting(
        2,
        "highest degree of the harmonics by which receive coils vary in space; "
        "0 for even ones. Degrees above 3 of the selection field, 2 of drive fields and 0 of coils "
        "are kept only if positions that were held out are predicted better with them",
        ours=True,
        ge=0,
        le=6,
    )
    components: Whole = setting(
        100, "components that are fitted at most", ours=True, ge=10, le=2000
    )
    positions: Whole | None = setting(
        None,
        "positions that are fitted at most; 120 of a 3D sequence and 300 of others if not given",
        ours=True,
        ge=6,
        le=5000,
    )


DEFAULTS = FitSettings()

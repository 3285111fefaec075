"""Parameters of simulated system matrices: random draws, JSON cases and CSV tables.

A case is written with the same keys everywhere: units in the key, vectors as lists of x, y, z in
JSON and as three columns in CSV (``drive_amplitude_mT`` becomes ``drive_amplitude_x_mT``).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.particles import LANGEVIN_WIDTH, Particle
from smrestore.physics.receiver import Receiver
from smrestore.physics.sequence import Sequence
from smrestore.physics.setup import Simulation
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path
from smrestore.support.seeds import generator

SCALARS = {
    "name": str,
    "dimension": int,
    "model": str,
    "particle_state": str,
    "core_diameter_nm": float,
    "anisotropy_constant_J_per_m3": float,
    "spatial_modulation": float,
    "base_frequency_Hz": float,
    "sampling_rate_Hz": float,
}
VECTORS = {
    "easy_axis": float,
    "drive_amplitude_mT": float,
    "gradient_T_per_m": float,
    "fov_mm": float,
    "center_mm": float,
    "size": int,
    "dividers": int,
}

OPTIONAL_SCALARS = {"relaxation_time_us": float}
OPTIONAL_VECTORS = {"drive_phase_rad": float, "offset_mT": float}

Case = dict[str, object]


@dataclass(frozen=True)
class SizeLimits:
    """Calibration grids that are accepted; others are drawn again.

    Attributes
    ----------
    per_axis
        Smallest and largest number of voxels along each driven axis, both included.
    average
        The mean size over the driven axes lies above the first and not above the second value, as
        the size bins of tables 3 and 5 of Tsanda et al. 2026.
    """

    per_axis: tuple[int, int]
    average: tuple[float, float] = (0.0, float("inf"))

    def accept(self, size: np.ndarray) -> bool:
        """Tell whether a grid with ``size`` voxels along the driven axes is within the limits."""
        low, high = self.average
        return bool(
            np.all(size >= self.per_axis[0])
            and np.all(size <= self.per_axis[1])
            and low < size.mean() <= high
        )


MAX_TRIALS = 10_000
MOST_TURNING = 10.0
"""Anisotropy energy over the thermal one up to which particles with Neel rotation are drawn.
Beyond, barriers are crossed in hundreds of cycles (docs/dynamics.md)."""


def draw_case(
    rng: np.random.Generator,
    name: str,
    *,
    dimension: int,
    limits: SizeLimits,
    model: str = "anisotropy",
    dividers: tuple[int, int, int] = (102, 96, 99),
    base_frequency: float = 2.5e6,
    sampling_rate: float = 5.0e6,
    refinement: int = 1,
) -> Case:
    """Draw one case from the distribution of table 1 of Tsanda et al. 2026.

    Particles with Neel rotation are drawn again if they are blocked, see :data:`MOST_TURNING`.
    ``refinement`` multiplies the voxels along each driven axis over the same field of view, after
    the limits are applied: with 4, every fourth voxel is a grid of the drawn size.

    Raises
    ------
    InputError
        If 10 000 draws in a row miss the size limits.
    """
    for _ in range(MAX_TRIALS):
        case = _draw(rng, dimension)
        turns = model != "neel" or _alpha(case) <= MOST_TURNING
        if turns and limits.accept(np.array(case["size"][:dimension])):
            case["size"] = [
                n * refinement if axis < dimension else n for axis, n in enumerate(case["size"])
            ]
            return {
                "name": name,
                "dimension": dimension,
                "model": model,
                **case,
                "dividers": list(dividers),
                "base_frequency_Hz": base_frequency,
                "sampling_rate_Hz": sampling_rate,
            }
    raise InputError(
        f"none of {MAX_TRIALS} draws gave a calibration grid within the size limits {limits}",
        field="grid",
        remedy="widen the limits",
    )


def _draw(rng: np.random.Generator, dimension: int) -> Case:
    """Return one draw of table 1, whatever its grid size. Their order is part of the seed."""
    diameter = rng.uniform(15**3, 25**3) ** (1 / 3)
    anisotropy = 10 ** rng.uniform(3, 4)
    state = "fluid" if rng.random() < 0.5 else "immobilized"
    modulation = rng.uniform(0.3, 1.3)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    amplitude = rng.uniform(5e-3, 14e-3, size=3)
    gradient = rng.uniform(0.1, 1.5, size=3)
    gradient[2] = -(gradient[0] + gradient[1])
    fov_drive = 2 * amplitude / np.abs(gradient)
    fov = fov_drive * rng.uniform(1, 2, size=3)
    margin = (fov - fov_drive) / 2
    center = rng.uniform(-margin, margin)
    resolution = LANGEVIN_WIDTH / (Particle(diameter * 1e-9).beta * np.abs(gradient))
    size = np.ceil(fov / resolution * rng.uniform(6.24, 8.32, size=3)).astype(int)
    if dimension == 2:
        amplitude[2] = fov[2] = center[2] = 0.0
        size[2] = 1
    return {
        "particle_state": state,
        "core_diameter_nm": diameter,
        "anisotropy_constant_J_per_m3": anisotropy,
        "spatial_modulation": modulation,
        "easy_axis": axis.tolist(),
        "drive_amplitude_mT": (1e3 * amplitude).tolist(),
        "gradient_T_per_m": gradient.tolist(),
        "fov_mm": (1e3 * fov).tolist(),
        "center_mm": (1e3 * center).tolist(),
        "size": size.tolist(),
    }


def _alpha(case: Case) -> float:
    """Return the anisotropy energy of a case over the thermal one."""
    diameter, anisotropy = case["core_diameter_nm"], case["anisotropy_constant_J_per_m3"]
    return Particle(diameter * 1e-9, anisotropy).alpha


def draw_cases(count: int, *, seed: int, dataset: str, split: str, **settings) -> list[Case]:
    """Draw the cases of one split of a dataset.

    Case ``i`` depends on (seed, dataset, split, i) alone: more cases never change earlier ones, and
    no two splits share a draw. If another dataset is drawn under the name of this one, it has the
    same parameters except for its own model and refinement. ``settings`` are those of
    :func:`draw_case`.
    """
    return [
        draw_case(generator(seed, "parameters", dataset, split, i), f"{split}-{i:05d}", **settings)
        for i in range(count)
    ]


def simulation_of(case: Mapping[str, object]) -> Simulation:
    """Turn a case into SI units and typed parts.

    Raises
    ------
    InputError
        If a key is missing, of the wrong type or out of range.
    """
    _check_case(case)

    def scaled(key: str, factor: float) -> tuple[float, float, float]:
        return tuple(float(value) * factor for value in case.get(key, (0, 0, 0)))

    particle = Particle(
        core_diameter=case["core_diameter_nm"] * 1e-9,
        anisotropy_constant=case["anisotropy_constant_J_per_m3"],
        state=case["particle_state"],
        spatial_modulation=case["spatial_modulation"],
        easy_axis=scaled("easy_axis", 1),
        model=case["model"],
        relaxation_time=case.get("relaxation_time_us", 0.0) * 1e-6,
    )
    sequence = Sequence(
        drive_amplitude=scaled("drive_amplitude_mT", 1e-3),
        gradient=scaled("gradient_T_per_m", 1),
        dividers=tuple(int(d) for d in case["dividers"]),
        base_frequency=case["base_frequency_Hz"],
        sampling_rate=case["sampling_rate_Hz"],
        drive_phase=scaled("drive_phase_rad", 1),
        offset=scaled("offset_mT", 1e-3),
    )
    grid = CalibrationGrid(
        size=tuple(int(n) for n in case["size"]),
        fov=scaled("fov_mm", 1e-3),
        center=scaled("center_mm", 1e-3),
    )
    if "coil_sensitivity" not in case:
        return Simulation(particle, sequence, grid)
    return Simulation(particle, sequence, grid, Receiver(case["coil_sensitivity"]))


def _check_case(case: Mapping[str, object]) -> None:
    """Raise :class:`InputError` if a key is missing or does not have its type and length."""
    name = case.get("name", "?")

    def is_kind(value: object, kind: type) -> bool:
        accepted = {float: (int, float), int: int, str: str}[kind]
        return isinstance(value, accepted) and not isinstance(value, bool)

    optional = {**OPTIONAL_SCALARS, **OPTIONAL_VECTORS}
    for key, kind in (*SCALARS.items(), *VECTORS.items(), *optional.items()):
        if key in optional and key not in case:
            continue
        if key not in case:
            raise InputError(
                f"case {name!r} lacks {key}",
                field=key,
                remedy="add the key; docs/data-formats.md lists all",
            )
        value = case[key]
        if key in SCALARS or key in OPTIONAL_SCALARS:
            sound, wanted = is_kind(value, kind), kind.__name__
        else:
            sound = isinstance(value, list | tuple) and len(value) == 3
            sound = sound and all(is_kind(item, kind) for item in value)
            wanted = f"list of three {kind.__name__}"
        if not sound:
            raise InputError(f"case {name!r} has {value!r}", field=key, remedy=f"give a {wanted}")


def read_json_cases(path: str | Path) -> list[Case]:
    """Read a list of cases from JSON; see docs/data-formats.md for the keys."""
    try:
        cases = json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="check the path") from None
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error}", path=path, remedy="mend the syntax") from None
    if not isinstance(cases, list) or not cases or not all(isinstance(c, dict) for c in cases):
        raise InputError("not a list of cases", path=path, remedy="write [{...}, ...]")
    return cases


def _columns(key: str) -> list[str]:
    """Return the CSV columns of a vector key: the axis goes in front of the unit."""
    unit = next((u for u in ("_T_per_m", "_mT", "_mm", "_rad") if key.endswith(u)), "")
    stem = key.removesuffix(unit)
    return [f"{stem}_{axis}{unit}" for axis in "xyz"]


def write_cases(path: str | Path, cases: list[Case]) -> None:
    """Write cases as CSV, one row per system matrix, full precision.

    Optional keys become columns if all cases have them.
    """

    def shared(keys: Mapping[str, type]) -> list[str]:
        return [key for key in keys if all(key in case for case in cases)]

    rows = []
    for case in cases:
        row = {key: case[key] for key in (*SCALARS, *shared(OPTIONAL_SCALARS))}
        for key in (*VECTORS, *shared(OPTIONAL_VECTORS)):
            row.update(zip(_columns(key), case[key], strict=True))
        rows.append(row)
    import pandas as pd

    with atomic_path(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def read_cases(path: str | Path) -> list[Case]:
    """Read the cases of a CSV written by :func:`write_cases`.

    Raises
    ------
    InputError
        If the file is missing, lacks a column or holds no row.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="run the parameters stage") from None
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    wanted = [*SCALARS, *(column for key in VECTORS for column in _columns(key))]
    for column in wanted:
        if column not in table:
            raise InputError("column is missing", path=path, field=column, remedy="add the column")
    if table.empty:
        raise InputError("no rows", path=path, remedy="ask for at least one system matrix")
    scalars = {**SCALARS, **{k: v for k, v in OPTIONAL_SCALARS.items() if k in table}}
    vectors = {**VECTORS, **{k: v for k, v in OPTIONAL_VECTORS.items() if _columns(k)[0] in table}}
    cases = []
    for row in table.to_dict("records"):
        case: Case = {key: kind(row[key]) for key, kind in scalars.items()}
        for key, kind in vectors.items():
            case[key] = [kind(row[column]) for column in _columns(key)]
        cases.append(case)
    return cases

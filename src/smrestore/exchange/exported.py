"""A system matrix of an MDF file as plain arrays, with the description that leads back to MDF."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from smrestore import mdf
from smrestore.exchange.arrays import check_ending, write_arrays
from smrestore.mdf.layout import Fields
from smrestore.mdf.restored import EXPECTED_ERROR
from smrestore.physics.mixing import mixing_orders
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path, check_separate

HEADER = """\
# What the arrays in {data} mean: smrestore import {data} {name} OUTPUT.mdf
# Keys are explained in docs/exchange.md.
"""


def export_matrix(
    scan: str | Path,
    output: str | Path,
    *,
    channels: Sequence[int] | None = None,
    background: str | None = "interpolate",
    period: mdf.Period = None,
) -> list[Path]:
    """Write the system matrix of a calibration scan, raw, processed or restored, as plain arrays.

    Parameters
    ----------
    scan
        MDF file.
    output
        Ends in .npz or .mat. docs/exchange.md lists the variables.
    channels
        Receive channels; all by default. The description is left out if some are missing, since
        those of an MDF file have their places.
    background
        How the background is subtracted: ``interpolate``, ``mean`` or None. Files without
        background frames stay as they are.
    period
        Needed if frames have several drive-field periods.

    Returns
    -------
    list of Path
        The files that were written: the data, and the description (.yaml) if the file tells the
        sequence.

    Raises
    ------
    InputError
        If the file is no calibration scan, or the output cannot be written.
    """
    check_ending(output)
    described = Path(output).with_suffix(".yaml")
    for made in (output, described):
        check_separate(made, scan)
    values, description = _content(scan, channels, background, period)
    write_arrays(output, values)
    if description is None or channels is not None:
        return [Path(output)]
    text = HEADER.format(data=Path(output).name, name=described.name)
    text += yaml.safe_dump(
        description, sort_keys=False, default_flow_style=None, allow_unicode=True
    )
    with atomic_path(described) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return [Path(output), described]


def _content(
    scan: str | Path,
    channels: Sequence[int] | None,
    background: str | None,
    period: mdf.Period,
) -> tuple[dict[str, object], dict[str, object] | None]:
    with mdf.open_mdf(scan, period=period) as file:
        acquisition, flags, indices = file.acquisition, file.flags, file.frequency_indices
        calibration, frames = file.calibration, file.is_background
        chosen = file.channel_indices(channels)
        if calibration is not None:
            grid = file.grid()
        fields = Fields(file.hdf5, file.path)
        text = fields.text("/experiment/description", "")
        told = _told(fields)
        error = fields.array(EXPECTED_ERROR, None)
        transfer_function = file.transfer_function
        try:
            sequence = file.sequence()
        except InputError:
            sequence = None
    corrected = flags.background_corrected
    if not frames.any() or corrected:
        background = None
    matrix = mdf.read_system_matrix(scan, channels=chosen, background=background, period=period)
    values: dict[str, object] = {
        "system_matrix": matrix,
        "channel": chosen,
        "frequency_index": indices,
        "frequency_Hz": acquisition.frequencies[indices],
        "grid_size": np.array(grid.size),
        "grid_fov_m": np.array(grid.fov),
        "grid_center_m": np.array(grid.center),
        **dict(zip(("x_m", "y_m", "z_m"), grid.axes(), strict=True)),
        "unit": acquisition.unit,
        "averages": acquisition.n_averages,
        "samples_per_period": acquisition.n_samples,
        "sampling_rate_Hz": acquisition.sampling_rate,
        "background_corrected": int(corrected or background is not None),
        "transfer_function_corrected": int(flags.transfer_function_corrected),
        "source": Path(scan).name,
        "description": text,
    }
    if calibration.delta_sample_size is not None:
        values["delta_sample_m"] = np.array(calibration.delta_sample_size)
    if transfer_function is not None:
        values["transfer_function"] = transfer_function[chosen]
    if frames.any():
        values["background"] = mdf.read_spectra(scan, channels=chosen, frames=frames, period=period)
    try:
        number = period if isinstance(period, int) else 0
        values["snr"] = mdf.read_snr(scan, channels=chosen, period=number)
    except InputError:
        # Restored scans of filters have none.
        pass
    if error is not None and error.ndim == 3:
        values["expected_error"] = error[number if len(error) > 1 else 0][chosen]
    if sequence is not None:
        values |= {
            "mixing_order": mixing_orders(sequence)[indices],
            "drive_amplitude_T": np.array(sequence.drive_amplitude),
            "drive_phase_rad": np.array(sequence.drive_phase),
            "drive_divider": np.array(sequence.dividers),
            "base_frequency_Hz": sequence.base_frequency,
            "gradient_T_per_m": np.array(sequence.gradient),
            "offset_T": np.array(sequence.offset),
        }
    if sequence is None:
        return values, None
    told |= {"method": calibration.method, "start_time": acquisition.start_time}
    return values, _description(values, calibration, told)


def _told(fields: Fields) -> dict[str, object]:
    """Return what a file says of tracer, scanner and origin, as the description has it."""
    told: dict[str, object] = {"simulated": fields.flag("/experiment/isSimulation", False)}
    tracer = fields.texts("/tracer/name", ())
    if tracer:
        amounts = {
            key: float(np.ravel(fields.reals(f"/tracer/{name}", 0.0))[0]) * factor
            for key, name, factor in (
                ("concentration_mol_per_l", "concentration", 1.0),
                ("volume_ul", "volume", 1e6),
            )
        }
        told["tracer"] = {"name": tracer[0]} | {
            key: float(f"{value:.15g}") for key, value in amounts.items()
        }
    scanner = fields.text("/scanner/name", "")
    return told | ({"scanner": scanner} if scanner else {})


def _description(
    values: dict[str, object], calibration: mdf.Calibration, told: dict[str, object]
) -> dict[str, object]:
    """Return the description of exported arrays, as YAML has it."""

    def scaled(name: str, factor: float = 1.0) -> list[float]:
        # Digits beyond the fifteenth come from the change of the unit.
        return [float(f"{factor * value:.15g}") for value in np.ravel(values[name])]

    optional = [name for name in ("snr", "background") if name in values]
    sample = calibration.delta_sample_size
    grid = {
        "size": [int(n) for n in values["grid_size"]],
        "fov_mm": scaled("grid_fov_m", 1e3),
        "center_mm": scaled("grid_center_m", 1e3),
    }
    if sample is not None and min(sample) > 0:
        grid["sample_mm"] = scaled("delta_sample_m", 1e3)
    description: dict[str, object] = {
        "variables": {name: name for name in ("system_matrix", "frequency_index", *optional)},
        "axes": ["channel", "frequency", "x", "y", "z"],
        "unit": values["unit"] or "V",
        "background_corrected": bool(values["background_corrected"]),
        "transfer_function_corrected": bool(values["transfer_function_corrected"]),
        "averages": int(values["averages"]),
        "sequence": {
            "drive_amplitude_mT": scaled("drive_amplitude_T", 1e3),
            "drive_phase_rad": scaled("drive_phase_rad"),
            "dividers": [int(n) for n in values["drive_divider"]],
            "base_frequency_Hz": float(values["base_frequency_Hz"]),
            "sampling_rate_Hz": float(values["sampling_rate_Hz"]),
            "gradient_T_per_m": scaled("gradient_T_per_m"),
            "offset_mT": scaled("offset_T", 1e3),
        },
        "grid": grid,
        **{name: value for name, value in told.items() if value != ""},
    }
    if values["description"]:
        description["text"] = values["description"]
    return description

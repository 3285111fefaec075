"""A readable summary of an MDF file: what it holds, and what is unusual about it."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore.mdf.conformity import deviations
from smrestore.mdf.data import data_bytes
from smrestore.mdf.dead import dead_channels
from smrestore.mdf.file import MdfFile, open_mdf
from smrestore.mdf.layout import DATA, Fields
from smrestore.mdf.restored import METHOD_NAMES, RESTORED_BY
from smrestore.mdf.snr import ratio_of, stored_snr
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar

READ_COMPLETELY = 2 << 30
"""Bytes of data up to which all values are checked, and a missing ratio is computed."""

GOOD_SNR = 2.0
"""Rows from here on are counted; published reconstructions start at 1.25 to 3."""


@dataclass(frozen=True)
class Summary:
    """What :func:`inspect_mdf` found.

    Attributes
    ----------
    path
        The file.
    facts
        Pairs of a title and what is to be said about it.
    unusual
        One line each; none if nothing is.
    """

    path: Path
    facts: tuple[tuple[str, str], ...]
    unusual: tuple[str, ...]

    def text(self) -> str:
        """Return the summary for readers."""
        width = max(len(title) for title, _ in self.facts)
        lines = [str(self.path)]
        lines += [f"  {title:{width}}  {fact}" for title, fact in self.facts]
        lines += ["Unusual:" if self.unusual else "Nothing is unusual."]
        lines += [f"  {line}" for line in self.unusual]
        # Whatever text a file holds must not steer the terminal.
        return "".join(c if c.isprintable() or c == "\n" else "?" for c in "\n".join(lines))


def inspect_mdf(path: str | Path, *, read_completely: int = READ_COMPLETELY) -> Summary:
    """Describe an MDF file.

    Parameters
    ----------
    path
        The file.
    read_completely
        Up to how many bytes of data all values are read.

    Raises
    ------
    InputError
        If it is no MDF v2 file, or contradicts itself so that it cannot be read.
    """
    # What readers warn about is among the deviations.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_mdf(path) as file:
            facts, unusual = list(_facts(file)), deviations(file)
            is_small = data_bytes(file.hdf5[DATA]) <= read_completely
            unusual += _dead(file, is_small)
            if is_small:
                unusual += _wrong_values(file)
            facts += _ratios(file, is_small)
    return Summary(Path(path), tuple(facts), tuple(unusual))


def _facts(file: MdfFile) -> Iterator[tuple[str, str]]:
    fields = Fields(file.hdf5, file.path)
    yield "version", f"MDF {fields.text('/version')}"
    yield "kind", _kind(file, fields)
    for title, name in (
        ("study", "/study/name"),
        ("experiment", "/experiment/name"),
        ("description", "/experiment/description"),
        ("scanner", "/scanner/name"),
        ("tracer", "/tracer/name"),
        ("start", "/acquisition/startTime"),
    ):
        text = " / ".join(map(_in_one_line, fields.texts(name, ())))
        if text not in ("", "n.a."):
            yield title, text if len(text) <= 200 else f"{text[:197]}..."
    yield "sequence", _drive(file)
    yield "static field", _static(file)
    a = file.acquisition
    conversion = "values converted" if a.conversion_factor is None else "conversion factors stored"
    yield (
        "receiver",
        f"{a.n_channels} channels, {a.n_samples} samples and {a.n_frequencies} frequencies per "
        f"period, bandwidth {a.bandwidth / 1e6:g} MHz, unit {a.unit or 'unknown'}, {conversion}",
    )
    if len(file.frequency_indices) < a.n_frequencies:
        indices = file.frequency_indices
        yield (
            "frequencies",
            f"{len(indices)} stored, index {indices.min()} to {indices.max()}",
        )
    if file.calibration is not None:
        yield "grid", _grid(file)
    yield "averages", str(a.n_averages)
    if a.n_periods > 1:
        alike = "of equal fields" if a.fields_are_constant else "of different fields"
        yield "periods", f"{a.n_periods} per frame, {alike}"
    n_background = int(file.is_background.sum())
    yield (
        "frames",
        f"{a.n_frames}: {a.n_frames - n_background} foreground, {n_background} background",
    )
    if n_background:
        yield "background", _background(file)
    if by := _restored_by(fields):
        yield "restored by", by
    names = [name.replace("_", " ") for name, value in vars(file.flags).items() if value]
    yield "flags", ", ".join(names) or "none"
    if file.transfer_function is None:
        state = "not stored"
    elif file.flags.transfer_function_corrected:
        state = "stored, data divided by it"
    else:
        state = "stored, data not divided by it"
    yield "transfer function", state
    data = file.hdf5[DATA]
    storage = "contiguous" if data.chunks is None else f"chunks {data.chunks}"
    if data.compression:
        storage += f", {data.compression}"
    yield (
        "data",
        f"{'spectra' if file.flags.fourier_transformed else 'time signals'} {data.shape} "
        f"{data.dtype}, {_size(data_bytes(data))}, {storage}",
    )


def _in_one_line(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "; ".join(line for line in lines if line)


def _restored_by(fields: Fields) -> str:
    """Say how many rows each method restored, if the file states it."""
    numbers, names = fields.array(RESTORED_BY, None), fields.texts(METHOD_NAMES, ())
    if numbers is None:
        return ""
    parts = [f"{name} {np.count_nonzero(numbers == place)}" for place, name in enumerate(names)]
    return f"{', '.join(parts)} of {numbers.size} rows"


def _kind(file: MdfFile, fields: Fields) -> str:
    synthetic = " (simulated)" if fields.scalar("/experiment/isSimulation", 0) == 1 else ""
    if file.calibration is not None:
        processed = "processed" if file.flags.fourier_transformed else "raw"
        return f"{processed} calibration scan, method {file.calibration.method}{synthetic}"
    tracer = "" if "/tracer/name" in fields else " without tracer, perhaps an empty scan"
    return f"measurement{tracer}{synthetic}"


def _drive(file: MdfFile) -> str:
    a = file.acquisition
    parts = []
    for channel, (dividers, strengths) in enumerate(
        zip(a.divider, a.strength.swapaxes(0, 1), strict=True)
    ):
        name = "xyz"[channel] if channel < 3 else str(channel)
        for divider, strength in zip(dividers, strengths.T, strict=True):
            if strength.any() and divider > 0:
                level = _range(1e3 * strength)
                parts.append(f"{name} {a.base_frequency / divider / 1e3:.5g} kHz {level} mT")
    return f"{', '.join(parts) or 'no drive field'}; cycle {1e6 * a.cycle:.6g} us"


def _static(file: MdfFile) -> str:
    a = file.acquisition
    if a.gradient is None:
        return "gradient not stored"
    diagonal = np.diagonal(a.gradient, axis1=2, axis2=3).reshape(-1, 3)
    text = f"gradient {', '.join(_range(diagonal[:, axis]) for axis in range(3))} T/m"
    if a.offset_field is not None and a.offset_field.any():
        offsets = 1e3 * a.offset_field.reshape(-1, 3)
        text += f", offset {', '.join(_range(offsets[:, axis]) for axis in range(3))} mT"
    return text


def _range(values: np.ndarray) -> str:
    if np.ptp(values) == 0:
        return f"{values.flat[0]:g}"
    return f"{values.min():g} to {values.max():g}"


def _grid(file: MdfFile) -> str:
    calibration = file.calibration
    text = f"{' x '.join(map(str, calibration.size))} voxels"
    if calibration.fov is not None:
        text += f", {' x '.join(f'{1e3 * length:g}' for length in calibration.fov)} mm"
    text += f" around ({', '.join(f'{1e3 * place:g}' for place in calibration.center)}) mm"
    text += f", order {calibration.order}"
    return text + (", meandering" if calibration.is_meandering else "")


def _background(file: MdfFile) -> str:
    if not file.times_are_known:
        return f"{int(file.is_background.sum())} frames at unknown times"
    times = file.acquisition_index[file.frames.background]
    breaks = np.flatnonzero(np.diff(times) > 1) + 1
    lengths = np.diff(np.concatenate([[0], breaks, [len(times)]]))
    blocks = "1 block" if len(lengths) == 1 else f"{len(lengths)} blocks"
    frames = "frame" if lengths.max() == 1 else "frames"
    return (
        f"{blocks} of {_range(lengths)} {frames}, the first at {times[0]}, the last at {times[-1]}"
    )


def _dead(file: MdfFile, is_small: bool) -> list[str]:
    dead = dead_channels(file, read=is_small)
    return [f"receive channel {channel} is dead: {why}" for channel, why in dead.items()]


def _wrong_values(file: MdfFile) -> list[str]:
    """Read everything; say what cannot be read, or is not finite."""
    frames, channels = file.frame_indices(None), file.channel_indices(None)
    stored = file.stored_frequencies(None)
    for period in range(file.acquisition.n_periods):
        tiles = file.of_period(period).tiles(frames, channels, stored)
        try:
            for _ in progress_bar(tiles, desc="values", unit="piece"):
                pass
        except InputError as error:
            return [f"{error.field}: {error.what}"]
    return []


def _ratios(file: MdfFile, is_small: bool) -> Iterator[tuple[str, str]]:
    """Yield a line for each channel on its signal-to-noise ratio."""
    title, source = "SNR", "stored"
    if file.calibration is None:
        return
    try:
        snr = stored_snr(file)
    except InputError as error:
        yield title, f"unknown: {error.what}"
        return
    if snr is None and not is_small:
        yield title, "not stored; not computed for data of this size"
        return
    if snr is None:
        source = "computed"
        try:
            snr = ratio_of(file)
        except InputError as error:
            yield title, f"unknown: {error.what}"
            return
    for channel, values in enumerate(snr):
        yield (
            f"{title}, channel {channel}",
            f"median {np.median(values):.3g}, maximum {values.max():.3g}, "
            f"{int((values >= GOOD_SNR).sum())} of {len(values)} rows at {GOOD_SNR:g} or more "
            f"({source})",
        )


def _size(n_bytes: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.3g} {unit}"
    return f"{n_bytes} B"

"""Small MDF files for tests, and a reader that shares no code with the library."""

from pathlib import Path

import h5py
import numpy as np

from smrestore.mdf import Acquisition, Calibration, Tracer, write_frames, write_mdf
from smrestore.mdf.layout import DATA
from smrestore.mdf.scans import descriptive_fields, measurement_flags
from smrestore.physics import Sequence
from smrestore.support.checksums import CHECKSUM

TIME = "2024-05-06T07:08:09.123"
UUID = "11112222-3333-4444-8555-666677778888"
SEQUENCE = Sequence((0.012, 0.010, 0.0), (-1.0, -1.5, 2.5), (6, 4, 5), 2.5e6, 1.0e7)
"""V = 48 samples, K = 25 frequencies."""


def acquisition(n_frames: int, n_channels: int = 3, **values) -> Acquisition:
    return Acquisition.from_sequence(
        SEQUENCE, n_frames=n_frames, n_channels=n_channels, start_time=TIME, **values
    )


def calibration(*size: int, **values) -> Calibration:
    values = {"method": "robot", "fov": (0.03, 0.02, 0.01), "center": (0.001, 0.0, 0.0)} | values
    return Calibration(size=size, **values)


def raw_signals(seed: int, n_frames: int, n_channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (n_frames, n_channels, SEQUENCE.n_samples)
    return rng.integers(-30_000, 30_000, shape).astype(np.int16)


def interleaved(n_lines: int, line: int) -> np.ndarray:
    """Mask of a scan with one background frame before each line and one at the end."""
    return np.append(np.tile([True] + [False] * line, n_lines), True)


def write_raw(path: Path, raw: np.ndarray, is_background, **values) -> Path:
    """Write raw frames (N, C, V); ``conversion_factor`` and the like describe the acquisition."""
    described = {
        key: values.pop(key)
        for key in ("conversion_factor", "transfer_function", "n_averages")
        if key in values
    }
    write_frames(
        path,
        **{
            "acquisition": acquisition(len(raw), raw.shape[1], **described),
            "frames": [raw],
            "is_background": is_background,
            "description": "test",
            "tracer": Tracer("Perimag", 0.1, 1e-6),
            "time": TIME,
            "uuid": UUID,
            **values,
        },
    )
    return path


def write_stored(path: Path, data: np.ndarray, is_background, flags: dict, **values) -> Path:
    """Write data exactly as given, (N, J, C, ...) or (J, C, ..., N), with the flags given."""
    fast = flags.get("isFastFrameAxis", False)
    described = values.pop("acquisition", None) or acquisition(
        data.shape[-1 if fast else 0], data.shape[1 if fast else 2]
    )
    grid = values.pop("calibration", None)
    write_mdf(
        path,
        {
            **descriptive_fields(TIME, UUID),
            **described.to_fields(),
            **(grid.to_fields() if grid else {}),
            DATA: data,
            "/measurement/isBackgroundFrame": np.asarray(is_background),
            **measurement_flags(**flags),
            **values.pop("fields", {}),
        },
    )
    return path


def forget_checksums(file: h5py.File) -> None:
    """Remove all checksums from an open file, which is then read like one of a lab."""

    def forget(_: str, node: h5py.HLObject) -> None:
        node.attrs.pop(CHECKSUM, None)

    file.visititems(forget)


def edit(path: Path, name: str, value=None) -> Path:
    """Replace a dataset behind the library's back, or remove it for None."""
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value
    return path


def two_periods(path: Path, destination: Path, offsets=(0.002, -0.002)) -> Path:
    """Copy time signals as frames of two periods; the second has half, with channels in reverse.

    Periods lie ``offsets`` (T along x) apart, as patches do, or are alike if these are equal.
    """
    destination.write_bytes(path.read_bytes())
    with h5py.File(destination, "r+") as file:
        forget_checksums(file)
        data = file["/measurement/data"][()]
        acquisition = file["acquisition"]
        for name in ("gradient", "drivefield/strength", "drivefield/phase"):
            values = acquisition[name][()]
            del acquisition[name]
            acquisition[name] = np.repeat(values, 2, axis=0)
        del file["/measurement/data"], acquisition["offsetField"]
        second = (0.5 * data[:, :, ::-1]).astype(data.dtype)
        file["/measurement/data"] = np.concatenate([data, second], axis=1)
        acquisition["offsetField"] = np.array([[[x, 0, 0]] for x in offsets])
        acquisition["numPeriodsPerFrame"][()] = 2
    return destination


def shuffled_frequencies(path: Path, destination: Path, seed: int = 0) -> Path:
    """Copy a processed scan with its frequencies in another order."""
    destination.write_bytes(path.read_bytes())
    with h5py.File(destination, "r+") as file:
        forget_checksums(file)
        measurement = file["measurement"]
        data = measurement["data"][()]
        selection = np.arange(data.shape[2]) + 1
        if measurement["isFrequencySelection"][()]:
            selection = measurement["frequencySelection"][()]
            del measurement["frequencySelection"]
        order = np.random.default_rng(seed).permutation(data.shape[2])
        measurement["frequencySelection"] = selection[order]
        measurement["isFrequencySelection"][()] = 1
        measurement["data"][...] = data[:, :, order]
    return destination


def cosine_matrix(name: str, n: int) -> np.ndarray:
    """Return the orthonormal discrete cosine transform, (coefficient, place), by its formula."""
    if n == 1:
        return np.ones((1, 1))
    k, place = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    if name == "DCT-I":
        ends = np.where((np.arange(n) == 0) | (np.arange(n) == n - 1), np.sqrt(0.5), 1.0)
        cosine = np.cos(np.pi * k * place / (n - 1))
        return np.sqrt(2 / (n - 1)) * ends[:, None] * ends * cosine
    first = np.where(np.arange(n) == 0, np.sqrt(0.5), 1.0)
    matrix = {
        "DCT-II": first[:, None] * np.cos(np.pi * (place + 0.5) * k / n),
        "DCT-III": first * np.cos(np.pi * (k + 0.5) * place / n),
        "DCT-IV": np.cos(np.pi * (place + 0.5) * (k + 0.5) / n),
    }[name]
    return np.sqrt(2 / n) * matrix


def grid_transform(name: str, size) -> np.ndarray:
    """Return the transform over a grid as one matrix; positions have x fastest."""
    x, y, z = (cosine_matrix(name, n) for n in size)
    return np.kron(z, np.kron(y, x))


def robot_path(size, meandering: bool) -> list[tuple[int, int, int]]:
    """Return the voxels in the order in which a robot visits them."""
    path = []
    forward_x = forward_y = True
    for z in range(size[2]):
        for line in range(size[1]):
            y = line if forward_y or not meandering else size[1] - 1 - line
            for step in range(size[0]):
                x = step if forward_x or not meandering else size[0] - 1 - step
                path.append((x, y, z))
            forward_x = not forward_x
        forward_y = not forward_y
    return path


def independent_read(path: Path, period: int = 0) -> dict:
    """Read spectra (N, C, K) by the letter of the MDF 2.1 specification, with h5py alone."""
    with h5py.File(path, "r") as file:
        measurement, receiver = file["measurement"], file["acquisition/receiver"]
        data = measurement["data"][()]
        flag = {name: measurement[name][()] for name in measurement if name.startswith("is")}
        if data.dtype.names:
            data = data["r"].astype(float) + 1j * data["i"].astype(float)
        if flag["isFourierTransformed"] and data.dtype.kind != "c":
            data = data[..., 0] + 1j * data[..., 1].astype(float)
        if flag["isFastFrameAxis"]:
            data = np.moveaxis(data, -1, 0)
        data = data[:, period]
        mask = flag["isBackgroundFrame"] == 1
        size = file["calibration/size"][()] if "calibration" in file else None
        time = np.arange(len(data))
        if flag["isFramePermutation"]:
            time = measurement["framePermutation"][()] - 1
        if flag.get("isSparsityTransformed"):
            name = measurement["sparsityTransformation"].asstr()[()]
            places = measurement["subsamplingIndices"][period] - 1
            kept, rest = data[~mask], data[mask]
            decoded = np.zeros((int(np.prod(size)), *kept.shape[1:]), complex)
            inverse = grid_transform(name, size).T
            for c, k in np.ndindex(kept.shape[1:]):
                decoded[:, c, k] = inverse[:, places[c, k]] @ kept[:, c, k]
            data = np.concatenate([decoded, rest])
            mask = np.arange(len(data)) >= len(decoded)
            if not flag["isFramePermutation"]:
                time = None
        n_samples = receiver["numSamplingPoints"][()]
        factors = np.ones((data.shape[1], 2)) * [1, 0]
        if "dataConversionFactor" in receiver:
            factors = receiver["dataConversionFactor"][()]
        scale, offset = factors[:, 0, None], factors[:, 1, None]
        if flag["isFourierTransformed"]:
            k = np.arange(n_samples // 2 + 1)
            if flag["isFrequencySelection"]:
                k = measurement["frequencySelection"][()] - 1
            spectra = scale * data + offset * n_samples * (k == 0)
        else:
            spectra = np.fft.rfft(data.astype(float) * scale + offset, axis=-1)
        meandering = "calibration/isMeanderingGrid" in file and not flag["isFramePermutation"]
        meandering = meandering and file["calibration/isMeanderingGrid"][()] == 1
        corrected = flag["isBackgroundCorrected"] == 1
    return {
        "spectra": spectra,
        "is_background": mask,
        "time": time,
        "size": size,
        "is_meandering": meandering,
        "is_corrected": corrected,
    }


def independent_background(read: dict) -> np.ndarray:
    """Return the background of each foreground frame, (O, C, K): runs of it, joined by lines."""
    mask, time, spectra = read["is_background"], read["time"], read["spectra"]
    if time is None:
        return spectra[mask].mean(axis=0)
    by_time = {int(t): i for i, t in enumerate(time)}
    runs = []
    for t in sorted(int(t) for t in time[mask]):
        if runs and t == runs[-1][-1] + 1:
            runs[-1].append(t)
        else:
            runs.append([t])
    centers = [sum(run) / len(run) for run in runs]
    means = np.array([np.mean([spectra[by_time[t]] for t in run], axis=0) for run in runs])
    estimate = np.empty_like(spectra[~mask])
    for c, k in np.ndindex(spectra.shape[1:]):
        parts = [
            np.interp(time[~mask], centers, part[:, c, k]) for part in (means.real, means.imag)
        ]
        estimate[:, c, k] = parts[0] + 1j * parts[1]
    return estimate


def independent_matrix(
    path: Path, background: np.ndarray | float | str = 0.0, period: int = 0
) -> np.ndarray:
    """Return (C, K, x, y, z); ``background`` (O, C, K) or ``interpolate`` is subtracted."""
    read = independent_read(path, period)
    if isinstance(background, str):
        background = 0.0 if read["is_corrected"] else independent_background(read)
    foreground = read["spectra"][~read["is_background"]] - background
    matrix = np.empty((*foreground.shape[1:], *read["size"]), complex)
    path = robot_path(read["size"], read["is_meandering"])
    for frame, (x, y, z) in zip(foreground, path, strict=True):
        matrix[:, :, x, y, z] = frame
    return matrix

"""Small MDF files for tests, and a reader that shares no code with the library."""

from pathlib import Path

import h5py
import numpy as np

from smrestore.mdf import Acquisition, Calibration, Tracer, write_frames, write_mdf
from smrestore.mdf.layout import DATA
from smrestore.mdf.scans import descriptive_fields, measurement_flags
from smrestore.physics import Sequence

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


def edit(path: Path, name: str, value=None) -> Path:
    """Replace a dataset behind the library's back, or remove it for None."""
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        if value is not None:
            file[name] = value
    return path


def independent_read(path: Path) -> dict:
    """Read spectra (N, C, K) by the letter of the MDF 2.1 specification, with h5py alone."""
    with h5py.File(path, "r") as file:
        measurement, receiver = file["measurement"], file["acquisition/receiver"]
        data = measurement["data"][()]
        if measurement["isFastFrameAxis"][()]:
            data = np.moveaxis(data, -1, 0)
        data = data[:, 0]
        n_samples = receiver["numSamplingPoints"][()]
        factors = np.ones((data.shape[1], 2)) * [1, 0]
        if "dataConversionFactor" in receiver:
            factors = receiver["dataConversionFactor"][()]
        scale, offset = factors[:, 0, None], factors[:, 1, None]
        if measurement["isFourierTransformed"][()]:
            k = np.arange(n_samples // 2 + 1)
            if measurement["isFrequencySelection"][()]:
                k = measurement["frequencySelection"][()] - 1
            if data.dtype.names:
                data = data["r"].astype(float) + 1j * data["i"].astype(float)
            spectra = scale * data + offset * n_samples * (k == 0)
        else:
            spectra = np.fft.rfft(data.astype(float) * scale + offset, axis=-1)
        time = np.arange(len(data))
        if measurement["isFramePermutation"][()]:
            time = measurement["framePermutation"][()] - 1
        mask = measurement["isBackgroundFrame"][()] == 1
        size = file["calibration/size"][()] if "calibration" in file else None
    return {"spectra": spectra, "is_background": mask, "time": time, "size": size}


def independent_matrix(path: Path, background: np.ndarray | float = 0.0) -> np.ndarray:
    """Return (C, K, x, y, z) of a sorted scan; ``background`` (O, C, K) is subtracted."""
    read = independent_read(path)
    foreground = read["spectra"][~read["is_background"]] - background
    matrix = np.empty((*foreground.shape[1:], *read["size"]), complex)
    nx, ny, nz = read["size"]
    for iz in range(nz):
        for iy in range(ny):
            for ix in range(nx):
                matrix[:, :, ix, iy, iz] = foreground[ix + nx * (iy + ny * iz)]
    return matrix

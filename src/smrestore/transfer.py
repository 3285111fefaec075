"""How a restored system matrix serves: images of a phantom, and errors against the truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from smrestore.errors import InputError
from smrestore.files import atomic_path, provenance
from smrestore.metrics import confidence_interval, interval_text, psnr, ssim
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.scans import (
    PhantomImages,
    read_rows,
    reconstruct_phantom,
    select_rows,
)


def load_reconstruction_settings(entry: Mapping[str, object]) -> ReconstructionSettings:
    """Build the settings from the entry of a measurement in the configuration."""
    lists = {key: tuple(entry[key]) for key in ("channels", "frames") if entry.get(key) is not None}
    return ReconstructionSettings(**{"relative_regularization": None, **entry, **lists})


def reconstruct_scan(
    matrix: str | Path,
    calibration: str | Path,
    phantom: str | Path,
    *,
    settings: ReconstructionSettings,
    truth: str | Path | None,
    label: str,
    path: str | Path,
    empty: str | Path | None = None,
) -> None:
    """Reconstruct a phantom scan with one system matrix and write image, rows and settings.

    Parameters
    ----------
    matrix
        The system matrix to use: MDF, or the truth of a virtual scan.
    calibration
        The degraded calibration scan; it alone decides on rows and weights, so that methods are
        compared on equal terms.
    phantom
        Phantom scan.
    truth
        Truth file with ``concentration``, None if nobody knows it.
    label
        Name of the system matrix for figures.
    empty
        Empty scan with the background of the phantom scan, None if it has frames of its own.

    Raises
    ------
    InputError
        If the scans do not match, no row passes the criteria, or the truth has another grid.
    """
    result = reconstruct_phantom(matrix, calibration, phantom, settings, empty=empty)
    image, regularization = result.images[0], result.regularization
    quality = {"psnr_dB": np.nan, "ssim": np.nan}
    if truth is not None:
        concentration = _read_concentration(truth, result)
        peak = concentration.max()
        quality["psnr_dB"] = psnr(image, concentration, peak=peak)
        quality["ssim"] = ssim(image, concentration, data_range=peak)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["image"] = image
        file["image"].attrs["unit"] = "concentration of the delta sample"
        file["rows"] = result.rows.chosen
        if len(result.rows.periods) > 1:
            file["row_periods"] = result.rows.period
        file.attrs.update(
            {
                **provenance(),
                **quality,
                "label": label,
                "fov_m": result.grid.fov,
                "center_m": result.grid.center,
                "frames": result.averaged_frames,
                "sweeps": settings.sweeps,
                "weighting": settings.weighting,
                "relative_regularization": regularization.relative,
                "absolute_regularization": regularization.absolute,
                "squared_norm": regularization.squared_norm,
            }
        )


def _read_concentration(truth: str | Path, result: PhantomImages) -> np.ndarray:
    """Return the true concentration on the grid of the image, float64 (Nx, Ny, Nz)."""
    with h5py.File(truth, "r") as file:
        concentration = file["concentration"][()]
        found = concentration.shape, tuple(file.attrs["fov_m"]), tuple(file.attrs["center_m"])
    expected = result.grid.size, result.grid.fov, result.grid.center
    if found[0] != expected[0] or not np.allclose(found[1:], expected[1:], rtol=1e-6, atol=1e-9):
        raise InputError(
            f"the grid of {found[0]} voxels over {found[1]} m around {found[2]} m is not that of "
            f"the system matrix, {expected[0]} over {expected[1]} m around {expected[2]} m",
            path=truth,
            field="concentration",
            remedy="compare with a truth on the grid of the system matrix",
        )
    return concentration


def score_components(
    matrix: str | Path,
    calibration: str | Path,
    truth: str | Path,
    *,
    settings: ReconstructionSettings,
    measurement: str,
    method: str,
    path: str | Path,
) -> None:
    """Compare the rows a reconstruction uses with the truth and write a CSV row for each.

    Both are divided by the largest magnitude of the true component. Rows without any true signal
    are left out.
    """
    rows = select_rows(calibration, settings)
    restored = read_rows(matrix, rows, settings.background_correction)
    true = read_rows(truth, rows)
    records = []
    for i, (channel, frequency) in enumerate(rows.chosen):
        peak = np.abs(true[i]).max()
        if peak == 0:  # noise alone: the coils induce nothing at frequency 0
            continue
        order = dict(zip(("x", "y", "z"), rows.mixing_order[i], strict=True))
        records.append(
            {
                "measurement": measurement,
                "method": method,
                "channel": channel,
                "frequency": frequency,
                **{f"mixing_order_{axis}": value for axis, value in order.items()},
                "snr": rows.snr[i],
                "psnr": psnr(restored[i] / peak, true[i] / peak),
                "ssim": ssim(restored[i] / peak, true[i] / peak),
            }
        )
    with atomic_path(path) as temporary:
        pd.DataFrame(records).to_csv(temporary, index=False)


def make_transfer_table(
    reconstructions: Sequence[str | Path],
    components: Sequence[str | Path],
    *,
    methods: Sequence[str],
    csv: str | Path,
    markdown: str | Path,
) -> None:
    """Write one row per method: quality of its components and of its reconstruction.

    ``components`` are the files of :func:`score_components`; a scan without known truth has none,
    and its table holds the regularization alone. The CSV has all numbers, the Markdown is for
    readers.
    """
    scores = [pd.read_csv(path) for path in components]
    by_method = {part["method"].iloc[0]: part for part in scores}
    records = []
    for method, path in zip(methods, reconstructions, strict=True):
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            n_rows = len(file["rows"])
        record = {"method": attributes["label"], "rows": n_rows}
        if method in by_method:
            for metric, name in (("psnr", "component_psnr_dB"), ("ssim", "component_ssim")):
                mean, ci95, _ = confidence_interval(by_method[method][metric].to_numpy())
                record |= {name: mean, f"{name}_ci95": ci95}
        record["image_psnr_dB"] = attributes["psnr_dB"]
        record["image_ssim"] = attributes["ssim"]
        record["absolute_regularization"] = attributes["absolute_regularization"]
        records.append(record)
    table = pd.DataFrame(records)
    with atomic_path(csv) as temporary:
        table.to_csv(temporary, index=False)
    with atomic_path(markdown) as temporary:
        temporary.write_text(
            _readable(table).to_markdown(index=False, disable_numparse=True) + "\n"
        )


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the transfer table as text: intervals in one cell, empty where nothing is known."""
    readable = table[["method", "rows"]].astype(str)
    for column, title, digits in (
        ("component_psnr_dB", "component PSNR in dB", 1),
        ("component_ssim", "component SSIM", 3),
    ):
        if column in table:
            intervals = zip(table[column], table[f"{column}_ci95"], strict=True)
            readable[title] = [interval_text(*interval, digits) for interval in intervals]
    for column, title, form in (
        ("image_psnr_dB", "image PSNR in dB", ".2f"),
        ("image_ssim", "image SSIM", ".3f"),
        ("absolute_regularization", "absolute regularization", ".4g"),
    ):
        readable[title] = ["" if pd.isna(x) else f"{x:{form}}" for x in table[column]]
    return readable

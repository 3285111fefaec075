"""How a restored system matrix serves: images of a phantom, and errors against the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from smrestore import mdf
from smrestore.errors import InputError
from smrestore.files import atomic_path, provenance
from smrestore.metrics import confidence_interval, interval_text, psnr, ssim
from smrestore.physics import Sequence as ScanSequence
from smrestore.physics import mixing_orders
from smrestore.reconstruction import ReconstructionSettings, reconstruct, row_weights


def load_reconstruction_settings(entry: Mapping[str, object]) -> ReconstructionSettings:
    """Build the settings from the entry of a measurement in the configuration."""
    return ReconstructionSettings(**{**entry, "channels": tuple(entry["channels"])})


@dataclass(frozen=True)
class Rows:
    """The rows of a system matrix that a reconstruction uses, the same for every method.

    Attributes
    ----------
    chosen
        int (n, 2): receive channel and frequency bin.
    snr, background_std
        Of the chosen rows in the degraded calibration, float64 (n,).
    mixing_order
        int (n, 3).
    """

    chosen: np.ndarray
    snr: np.ndarray
    background_std: np.ndarray
    mixing_order: np.ndarray


def select_rows(calibration: str | Path, settings: ReconstructionSettings) -> Rows:
    """Choose rows by the signal-to-noise ratio of the calibration as it was measured."""
    with mdf.open_mdf(calibration) as file:
        sequence, stored = file.sequence(), file.frequency_indices
    orders = mixing_orders(sequence)[stored]
    snr = mdf.read_snr(calibration)
    place = settings.select_rows(snr, sequence.frequencies[stored], orders)
    channels, k = place.T
    return Rows(
        np.stack([channels, stored[k]], axis=1),
        snr[channels, k],
        mdf.background_std(calibration)[channels, k],
        orders[k],
    )


def read_rows(path: str | Path, rows: Rows) -> np.ndarray:
    """Return the chosen rows of a calibration scan or truth file, complex (n, Nx, Ny, Nz)."""
    channels, frequencies = (np.unique(part) for part in rows.chosen.T)
    if Path(path).suffix == ".h5":
        with h5py.File(path, "r") as file:
            stored = np.searchsorted(file["frequency"][()], frequencies)
            matrix = file["system_matrix"][:, stored][channels]
    else:
        matrix = mdf.read_system_matrix(path, channels=channels, frequencies=frequencies)
    c = np.searchsorted(channels, rows.chosen[:, 0])
    k = np.searchsorted(frequencies, rows.chosen[:, 1])
    return matrix[c, k]


def _check_match(calibration: str | Path, phantom: str | Path) -> None:
    with mdf.open_mdf(calibration) as first, mdf.open_mdf(phantom) as second:
        ours, theirs = first.sequence(), second.sequence()
    for field in fields(ScanSequence):
        a, b = getattr(ours, field.name), getattr(theirs, field.name)
        if not np.allclose(a, b, rtol=1e-6, atol=1e-12):
            raise InputError(
                f"{field.name} is {b}, but {a} in the calibration {calibration}",
                path=phantom,
                field=field.name,
                remedy="reconstruct a scan with a calibration of the same sequence",
            )


def read_measurement(phantom: str | Path, rows: Rows) -> np.ndarray:
    """Return the mean spectrum of a phantom scan without its background, complex128 (n,)."""
    with mdf.open_mdf(phantom) as file:
        background = file.is_background
    if background.all():
        raise InputError(
            "all frames are background",
            path=phantom,
            field="/measurement/isBackgroundFrame",
            remedy="give a scan with a phantom inside",
        )
    spectra = mdf.read_spectra(phantom).astype(np.complex128)
    measurement = spectra[~background].mean(axis=0)
    if background.any():
        measurement -= spectra[background].mean(axis=0)
    return measurement[tuple(rows.chosen.T)]


def reconstruct_scan(
    matrix: str | Path,
    calibration: str | Path,
    phantom: str | Path,
    *,
    settings: ReconstructionSettings,
    truth: str | Path | None,
    label: str,
    path: str | Path,
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

    Raises
    ------
    InputError
        If calibration and phantom scan have different sequences, or no row passes the criteria.
    """
    _check_match(calibration, phantom)
    rows = select_rows(calibration, settings)
    with mdf.open_mdf(calibration) as file:
        grid = file.calibration.grid()
    measured = read_rows(calibration, rows).reshape(len(rows.chosen), -1)
    # The rows stand for one channel with a frequency each.
    image, regularization = reconstruct(
        read_rows(matrix, rows)[None],
        read_measurement(phantom, rows)[None],
        np.stack([np.zeros(len(rows.chosen), int), np.arange(len(rows.chosen))], axis=1),
        settings,
        weights=row_weights(settings.weighting, measured, rows.background_std),
    )
    quality = {"psnr_dB": np.nan, "ssim": np.nan}
    if truth is not None:
        with h5py.File(truth, "r") as file:
            concentration = file["concentration"][()]
        peak = concentration.max()
        quality["psnr_dB"] = psnr(image, concentration, peak=peak)
        quality["ssim"] = ssim(image, concentration, data_range=peak)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["image"] = image
        file["image"].attrs["unit"] = "concentration of the delta sample"
        file["rows"] = rows.chosen
        file.attrs.update(
            {
                **provenance(),
                **quality,
                "label": label,
                "fov_m": grid.fov,
                "center_m": grid.center,
                "sweeps": settings.sweeps,
                "weighting": settings.weighting,
                "relative_regularization": regularization.relative,
                "absolute_regularization": regularization.absolute,
                "squared_norm": regularization.squared_norm,
            }
        )


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
    restored, true = read_rows(matrix, rows), read_rows(truth, rows)
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

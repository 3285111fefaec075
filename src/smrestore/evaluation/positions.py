"""How few positions are enough: quality of restored calibrations against what was measured."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from smrestore import mdf
from smrestore.evaluation.transfer.components import score_components
from smrestore.evaluation.transfer.images import Variant, reconstruct_scan
from smrestore.fitting.design import Design, chosen_positions
from smrestore.fitting.model import write_fits
from smrestore.fitting.scan import read_calibration
from smrestore.fitting.settings import FitSettings
from smrestore.methods import load_method
from smrestore.reconstruction import ReconstructionSettings
from smrestore.restoration.modelled import METHODS, fit_calibration, restore_by_model
from smrestore.restoration.scan import restore_scan
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path
from smrestore.support.progress import progress_bar
from smrestore.support.seeds import generator
from smrestore.tasks.scan import scan_task

logger = logging.getLogger(__name__)

REGULAR = "every"
"""Choice of every n-th voxel along each axis."""


@dataclass(frozen=True)
class Subset:
    """Positions of a calibration that are used.

    Attributes
    ----------
    choice
        ``every``, or one of :data:`smrestore.support.choices.Choice`.
    number
        Distance of the voxels along each axis, or the number of positions.
    """

    choice: str
    number: int


@dataclass(frozen=True)
class StudyScans:
    """The files of a study of one calibration.

    Attributes
    ----------
    calibration, truth
        Calibration and its truth, see :func:`smrestore.scanner.scan_calibration`.
    phantom, concentration
        Phantom scan and its truth.
    """

    calibration: str | Path
    truth: str | Path
    phantom: str | Path
    concentration: str | Path


def study_positions(
    scans: StudyScans,
    subsets: Sequence[Subset],
    *,
    settings: FitSettings,
    reconstruction: ReconstructionSettings,
    labels: Mapping[str, str],
    networks: Mapping[int, str | Path],
    seed: int,
    path: str | Path,
) -> None:
    """Restore a calibration from parts of its positions and write a CSV row for each result.

    Every n-th voxel is also restored by splines, where the grid ends with a measured voxel, and by
    networks.

    Parameters
    ----------
    settings
        Of the fit.
    reconstruction
        Of the images; also chooses the components that are scored.
    labels
        Names for readers: of ``spline``, ``network``, and of the fitted methods.
    networks
        Weights for accelerated calibration, by their factor.
    seed
        Of random positions.
    path
        Columns: ``scan``, ``averages``, ``choice``, ``number``, ``positions``, ``method``,
        ``label``, ``component_psnr_dB``, ``image_psnr_dB`` and ``held_out_error``. Where positions
        are too few for a fit, its numbers are missing.
    """
    data = read_calibration(scans.calibration)
    with mdf.open_mdf(scans.calibration) as file:
        averages = file.acquisition.n_averages
    design = None
    if any(subset.choice == "information" for subset in subsets):
        model = fit_calibration(scans.calibration, settings=settings)[0].model
        design = Design.of(data, model, averages)
    records = []
    for subset in progress_bar(subsets, desc=Path(scans.calibration).stem, unit="set"):
        unused = np.ones(data.grid.size, dtype=bool)
        if subset.choice == REGULAR:
            unused[(slice(None, None, subset.number),) * 3] = False
        else:
            rng = generator(seed, "positions", Path(scans.calibration).stem, subset.number)
            unused.ravel()[
                chosen_positions(
                    subset.choice, data, subset.number, design=design, rng=rng, averages=averages
                )
            ] = False
        with tempfile.TemporaryDirectory() as folder:
            found = _of_subset(
                Path(folder), scans, subset, unused, settings, reconstruction, networks
            )
        known = {
            "scan": Path(scans.calibration).stem,
            "averages": averages,
            "choice": subset.choice,
            "number": subset.number,
            "positions": int(np.count_nonzero(~unused)),
        }
        records += [{**known, "label": labels[row["method"]], **row} for row in found]
    with atomic_path(path) as temporary:
        pd.DataFrame(records).to_csv(temporary, index=False)


def _of_subset(
    folder: Path,
    scans: StudyScans,
    subset: Subset,
    unused: np.ndarray,
    settings: FitSettings,
    reconstruction: ReconstructionSettings,
    networks: Mapping[int, str | Path],
) -> list[dict[str, object]]:
    """Restore from one set of positions, score, and return a row for each method."""
    task = scan_task("inpainting", missing=unused) if unused.any() else scan_task("denoising")
    matrices, error = {}, np.nan
    try:
        fits = fit_calibration(scans.calibration, task=task, settings=settings)
    except InputError as fault:
        logger.warning("%s", fault)
    else:
        error = fits[0].model.held_out["all"]
        write_fits(folder / "fit.json", fits, Path(scans.calibration).name)
        for method in METHODS:
            matrices[method] = folder / f"{method}.mdf"
            restore_by_model(
                scans.calibration,
                matrices[method],
                method,
                task=task,
                fit=folder / "fit.json",
                allow_misfit=True,
            )
    matrices |= _regular(folder, scans.calibration, subset, unused.shape, networks)
    rows = [
        {"method": method, "held_out_error": error} for method in METHODS if method not in matrices
    ]
    if not matrices:
        return rows
    variants = [Variant(name, name, matrix) for name, matrix in matrices.items()]
    scores, images = folder / "scores.csv", folder / "images.h5"
    score_components(
        variants,
        scans.calibration,
        scans.truth,
        settings=reconstruction,
        measurement="",
        path=scores,
    )
    reconstruct_scan(
        variants,
        scans.calibration,
        scans.phantom,
        settings=reconstruction,
        truth=scans.concentration,
        path=images,
    )
    quality = pd.read_csv(scores).groupby("method")["psnr"].mean()
    with h5py.File(images) as file:
        for method in matrices:
            rows.append(
                {
                    "method": method,
                    "component_psnr_dB": quality[method],
                    "image_psnr_dB": file[method].attrs["psnr_dB"],
                    "held_out_error": error if method in METHODS else np.nan,
                }
            )
    return rows


def _regular(
    folder: Path,
    calibration: str | Path,
    subset: Subset,
    size: tuple[int, ...],
    networks: Mapping[int, str | Path],
) -> dict[str, Path]:
    """Restore from every n-th voxel by splines and networks, and return the files."""
    factor = subset.number
    ends = all((n - 1) % factor == 0 for n in size)
    if subset.choice != REGULAR or factor == 1 or not ends:
        return {}
    task = scan_task("accelerated-calibration", factor=factor, decimate=True)
    found = {"spline": folder / "spline.mdf"}
    restore_scan(
        calibration,
        found["spline"],
        load_method({"method": "spline", "alignment": "aligned"}, None, task.name),
        name="spline",
        task=task,
    )
    if factor in networks:
        found["network"] = folder / "network.mdf"
        method = load_method(None, networks[factor], task.name)
        restore_scan(calibration, found["network"], method, name="network", task=task)
    return found


def tabulate_positions(
    studies: Sequence[str | Path], *, csv: str | Path, markdown: str | Path
) -> None:
    """Write the mean over scans of equal averages, with 95 % intervals, of what studies found.

    Parameters
    ----------
    studies
        Files of :func:`study_positions`; their scans differ in averages, or in noise alone.
    csv
        Columns: ``averages``, ``choice``, ``number``, ``positions``, ``method``, ``label``,
        ``scans``, and mean and ``_ci95`` of ``component_psnr_dB`` and ``image_psnr_dB``.
    markdown
        The components of all methods, and the images, for readers.
    """
    table = summary_of(studies)
    with atomic_path(csv) as temporary:
        table.to_csv(temporary, index=False)
    parts = [
        "Quality of calibrations restored from parts of their positions: mean over the components "
        "or of the image, with 95 % intervals over scans that differ in noise (PSNR in dB). Their "
        "variance is pooled over the numbers of positions of one choice."
    ]
    for title, column in (
        ("Components", "component_psnr_dB"),
        ("Images", "image_psnr_dB"),
    ):
        shown = table.assign(value=[_shown(row, column) for row in table.to_dict("records")])
        index = ["averages", "positions", "choice"]
        order = shown.sort_values(["averages", "positions", "choice"], ascending=[1, 0, 1])
        wide = shown.pivot_table(
            index=index, columns="label", values="value", aggfunc="first", sort=False
        )
        wide = wide.reindex(order[index].drop_duplicates().itertuples(index=False, name=None))
        text = wide.fillna("").reset_index().to_markdown(index=False, disable_numparse=True)
        parts += [f"**{title}**", text]
    with atomic_path(markdown) as temporary:
        temporary.write_text("\n\n".join(parts) + "\n")


def summary_of(studies: Sequence[str | Path]) -> pd.DataFrame:
    """Return the table of :func:`tabulate_positions`.

    Few scans tell little of how much they differ. So the variance between scans is pooled over the
    numbers of positions of one choice, method and averages, and Student's t has as many degrees of
    freedom.
    """
    results = pd.concat([pd.read_csv(path) for path in studies])
    sets = results.groupby(
        ["averages", "choice", "number", "positions", "method", "label"], sort=False
    )
    table = sets.size().rename("scans").to_frame()
    for column in ("component_psnr_dB", "image_psnr_dB"):
        known = sets[column].count() == table["scans"]
        table[column] = sets[column].mean().where(known)
        table[f"{column}_ci95"] = _pooled_interval(sets[column].var(), table["scans"], known)
    return table.reset_index()


def _pooled_interval(variance: pd.Series, scans: pd.Series, known: pd.Series) -> pd.Series:
    """Return half the 95 % interval of the mean of each set; NaN if no set has several scans."""
    # Loaded here, as it takes half a second and only tables need it.
    from scipy.stats import t as student

    def pooled(values: pd.Series) -> pd.Series:
        alike = values.where(known, 0).groupby(level=["averages", "choice", "method", "label"])
        return alike.transform("sum")

    freedom = pooled(scans - 1)
    variance = pooled((variance * (scans - 1)).fillna(0)) / freedom
    return (student.ppf(0.975, freedom) * np.sqrt(variance / scans)).where(known)


def _shown(row: Mapping[str, float], column: str) -> str:
    mean, ci95 = row[column], row[f"{column}_ci95"]
    if np.isnan(mean):
        return ""
    return f"{mean:.1f}" if np.isnan(ci95) else f"{mean:.1f} ± {ci95:.1f}"

"""Restoration that decides by itself: for each component, the method with the least expected error.

Candidates are the physics fitted to the scan, joined with what was measured, and a network of the
package, for denoising on twins. :mod:`smrestore.restoration.expected` says what is expected.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import h5py
import numpy as np

from smrestore import mdf
from smrestore.mdf.restored import EXPECTED_ERROR
from smrestore.methods import Method, load_method
from smrestore.networks.cards import DENOISER, check_shipped, shipped_weights
from smrestore.networks.shipped import networks_installed
from smrestore.restoration.expected import measured_error, network_error
from smrestore.restoration.matrix import RestoredMatrix
from smrestore.restoration.modelled import restore_by_model, restored_snr, root_mean_square
from smrestore.restoration.plan import (
    MEMORY_BYTES,
    Plan,
    plan_restoration,
    refuse_implausible,
)
from smrestore.restoration.scan import restore_scan
from smrestore.restoration.summary import WITH_SIGNAL, RestorationSummary
from smrestore.support.errors import InputError
from smrestore.support.files import parts_beside
from smrestore.tasks.scan import ScanTask, scan_task

logger = logging.getLogger(__name__)

METHODS = ("measured", "network", "model-and-measurement")
"""Their numbers are written to the restored file."""
INFERENCE = {"within_noise": 3.0, "power_within_noise": 1.75, "ensemble": ["phases"]}
AFTERWARDS = {
    "accelerated-calibration": {"method": "spline", "alignment": "aligned"},
    "upsampling": {"method": "spline", "alignment": "aligned"},
    "inpainting": {"method": "biharmonic"},
}
"""What restores the components that the network denoised, in other tasks than denoising."""
MARGIN = 0.9
"""A network must be expected to be better than the fitted physics by this factor."""


@dataclass(frozen=True, eq=False)
class Decision:
    """Which method restored each component.

    Attributes
    ----------
    method
        Number in :data:`METHODS`, int (J, C, K).
    expected_error
        Expected root mean square error in the unit of the scan, float64 (J, C, K); NaN where it is
        not known.
    summary
        What was done.
    without_model
        Why no physics was fitted, empty if it was.
    """

    method: np.ndarray
    expected_error: np.ndarray
    summary: RestorationSummary
    without_model: str

    def rows(self) -> list[dict[str, object]]:
        """Return for each method its components, and the gain that is expected of it."""
        signal = self.summary.peak >= WITH_SIGNAL * self.summary.noise
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = 20 * np.log10(self.summary.noise / self.expected_error)
        rows = []
        for number, name in enumerate(METHODS):
            chosen = self.method == number
            if not chosen.any():
                continue
            known = gain[chosen & signal & np.isfinite(gain)]
            rows.append(
                {
                    "method": name,
                    "components": int(chosen.sum()),
                    "with signal": int((chosen & signal).sum()),
                    "expected gain (dB)": float(np.median(known)) if len(known) else np.nan,
                }
            )
        return rows


def restore_automatically(
    source: str | Path,
    destination: str | Path,
    *,
    task: ScanTask | None = None,
    fit: str | Path | None = None,
    save_fit: str | Path | None = None,
    background: str | None = "interpolate",
    as_measured_below: float | None = None,
) -> Decision:
    """Restore a calibration scan, each component by the method with the least expected error.

    If no physics can be fitted to the scan, or the fitted physics does not describe it, a network
    restores all components. In other tasks than denoising, fitted physics restores all, and the
    error of what lies between measured voxels is expected from it alone.

    Parameters
    ----------
    source, destination
        MDF files of the measured and the restored scan.
    task
        Denoising by default.
    fit, save_fit
        As in :func:`.modelled.restore_by_model`.
    background
        How the background is subtracted: ``interpolate``, ``mean`` or None.
    as_measured_below
        For denoising: components whose largest restored magnitude is less than this many dB above
        their expected error are left as they were measured. Also those that are restored to 0.

    Raises
    ------
    InputError
        If the scan is no calibration, or cannot be read, or its header has a value that no scanner
        has, or it needs networks that are not installed, or those of the package are damaged.
    """
    task = task or scan_task("denoising")
    denoising = task.name == "denoising"
    if as_measured_below is not None and not denoising:
        raise InputError(
            f"cannot be used for {task.name}, which restores what was not measured",
            field="--as-measured-below",
            remedy="leave it out",
        )
    # What is wrong in the header is not left to the network, which would not see it.
    refuse_implausible(source)
    if networks_installed():
        # Not after minutes, when physics is fitted.
        check_shipped(DENOISER)
    plan = plan_restoration(source, task, MEMORY_BYTES, denoising, "ignore")
    with parts_beside(destination) as folder:
        modelled, learned = (folder / f"{name}.mdf" for name in METHODS[:0:-1])
        by_model, reason = _by_model(source, modelled, task, fit, save_fit, background)
        rows, error = None, None
        if by_model is None and not networks_installed():
            raise InputError(
                f"physics does not restore it ({reason}), and networks are not installed",
                path=source,
                remedy="install them: pip install 'smrestore[networks]', or choose a filter",
            )
        if by_model is not None:
            error = _expected_error(modelled, by_model.noise.shape)
            better = np.any(_network_wins(by_model, error), axis=0)
            if not (denoising and networks_installed()):
                better[:] = False
            rows = np.argwhere(better)
        learning = None
        if rows is None or len(rows):
            learning = restore_scan(
                source,
                learned,
                network_method(task.name),
                name="network",
                task=task,
                background=background,
                twins=denoising,
                chosen=None if rows is None else _bins(rows, plan.frequencies),
            )
        decision = _decide(by_model, error, learning, denoising, reason)
        files = {0: source, 1: learned, 2: modelled}
        if as_measured_below is not None:
            found = _matrix(files, decision.method, plan, background)
            decision = _as_measured(decision, _largest(found), as_measured_below)
        _write(files, destination, decision, task, plan, background)
    return decision


def _by_model(
    source: str | Path,
    path: Path,
    task: ScanTask,
    fit: str | Path | None,
    save: str | Path | None,
    background: str | None,
) -> tuple[RestorationSummary | None, str]:
    """Restore by fitted physics. Return what was done, or None and why nothing was."""
    try:
        done = restore_by_model(
            source, path, METHODS[2], task=task, fit=fit, save=save, background=background
        )
    except InputError as error:
        # Errors of the scan alone say that physics does not restore it.
        if fit is not None or Path(error.path or source) != Path(source):
            raise
        logger.info("%s: without fitted physics: %s", source, error.what)
        return None, error.what
    return done, ""


def network_method(task: str) -> Method:
    """Return the network of the package as it restores scans for a task; denoising on twins."""
    weights = shipped_weights(DENOISER)
    if task not in AFTERWARDS:
        return load_method(None, weights, task, inference=INFERENCE)
    return load_method(AFTERWARDS[task], None, task, denoiser=weights, denoising=INFERENCE)


def _network_wins(modelled: RestorationSummary, error: np.ndarray) -> np.ndarray:
    """Return for which components the network is expected to have less error than the model.

    Joined with the model, the measurement is not worse than alone.
    """
    return network_error(modelled) < MARGIN * np.minimum(error, measured_error(modelled))


def _bins(rows: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Return receive channels and frequency bins of rows, int (n, 2)."""
    return np.column_stack([rows[:, 0], frequencies[rows[:, 1]]])


def _expected_error(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    with h5py.File(path) as file:
        return file[EXPECTED_ERROR][()].reshape(shape)


def _decide(
    modelled: RestorationSummary | None,
    error: np.ndarray | None,
    learned: RestorationSummary | None,
    denoising: bool,
    reason: str,
) -> Decision:
    """Choose for each component what is expected to have the least error."""
    if modelled is None:
        unknown = np.full(learned.noise.shape, np.nan)
        expected = network_error(learned) if denoising else unknown
        return Decision(np.full(unknown.shape, 1), expected, learned, reason)
    if learned is None:
        return Decision(np.full(error.shape, 2), error, modelled, reason)
    # Of several periods, those components are restored that one of them needs.
    network = _network_wins(modelled, error) & np.isfinite(learned.noise)
    parts = {
        field.name: np.where(network, getattr(learned, field.name), getattr(modelled, field.name))
        for field in fields(RestorationSummary)
    }
    return Decision(
        np.where(network, 1, 2),
        np.where(network, network_error(modelled), error),
        RestorationSummary(**parts),
        reason,
    )


def _as_measured(decision: Decision, largest: np.ndarray, limit: float) -> Decision:
    """Leave components as they were measured that are too uncertain, by their largest magnitude."""
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = 20 * np.log10(largest / decision.expected_error)
    # The largest magnitude that was measured says nothing of components of noise alone.
    left = (expected < limit) | (largest == 0)
    return replace(
        decision,
        method=np.where(left, 0, decision.method),
        expected_error=np.where(left, measured_error(decision.summary), decision.expected_error),
    )


def _matrix(
    files: Mapping[int, str | Path], method: np.ndarray, plan: Plan, background: str | None
) -> RestoredMatrix:
    """Return the matrix with each row as its method restored it, read from the file of each."""

    several = plan.shape[0] > 1

    def restore_block(period: int, channel: int, part: slice) -> np.ndarray:
        numbers = method[period, channel, part]
        found = np.zeros((len(numbers), *plan.shape[3:]), np.complex64)
        for number in np.unique(numbers):
            images = mdf.read_system_matrix(
                files[int(number)],
                channels=[channel],
                frequencies=plan.frequencies[part],
                background=background if number == 0 else None,
                period=period if several else None,
            )[0]
            chosen = numbers == number
            found[chosen] = images[chosen]
        return found

    return RestoredMatrix(plan.shape, plan.rows_at_a_time, restore_block)


def _largest(matrix: RestoredMatrix) -> np.ndarray:
    """Return the largest magnitude of each row, float64 (J, C, K)."""
    return _of_rows(matrix, lambda images: np.abs(images).max(axis=(1, 2, 3)))


def _of_rows(matrix: RestoredMatrix, quantity: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return a quantity of the images of each row, a block at a time."""
    found = np.zeros(matrix.shape[:3])
    for period, channel in np.ndindex(matrix.shape[:2]):
        for start in range(0, matrix.shape[2], matrix.rows_at_a_time):
            part = slice(start, start + matrix.rows_at_a_time)
            found[period, channel, part] = quantity(matrix[period, channel, part])
    return found


def _write(
    files: Mapping[int, str | Path],
    destination: str | Path,
    decision: Decision,
    task: ScanTask,
    plan: Plan,
    background: str | None,
) -> None:
    """Write each row as its method restored it."""
    matrix = _matrix(files, decision.method, plan, background)
    known = bool(np.isfinite(decision.expected_error).all())
    snr = None
    if known:
        # The matrix is read once more for its signal, since datasets are written in one go.
        signal = _of_rows(matrix, root_mean_square)
        snr = restored_snr(signal, decision.expected_error, decision.summary.noise)
    used = ", ".join(METHODS[number] for number in np.unique(decision.method))
    mdf.write_restored(
        files[0],
        destination,
        matrix,
        description=f"restored by least expected error ({task.name}): {used}",
        grid=plan.grid,
        snr=snr,
        expected_error=decision.expected_error if known else None,
        restored_by=(decision.method, METHODS),
        background_corrected=plan.corrected or background is not None,
        spectral_leakage="ignore",
    )

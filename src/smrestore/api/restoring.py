"""Fits and restored scans as objects."""

import shutil
import tempfile
from collections.abc import Sequence
from functools import cached_property
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd

from smrestore.api.component import Component
from smrestore.api.scan import Order, Scan
from smrestore.fitting.model import ScanFit, write_fits
from smrestore.fitting.settings import DEFAULTS, FitSettings
from smrestore.restoration.asked import restore_as_asked
from smrestore.restoration.automatic import Decision
from smrestore.restoration.modelled import fit_calibration
from smrestore.restoration.summary import RestorationSummary
from smrestore.support.errors import InputError
from smrestore.support.faults import choice_remedy
from smrestore.support.files import atomic_path, check_separate
from smrestore.tasks.masks import read_mask
from smrestore.tasks.scan import ScanTask, scan_task


class Fit:
    """Physics fitted to a calibration, see :func:`smrestore.fit`.

    Attributes
    ----------
    periods
        The fit of each drive-field period of a frame: :class:`smrestore.fitting.model.ScanFit`.
    source
        Name of the file that was fitted.
    """

    def __init__(self, periods: list[ScanFit], source: str) -> None:
        self.periods, self.source = periods, source

    def __repr__(self) -> str:
        misfit = 100 * self.held_out["all"]
        return f"<Fit to {self.source}: {misfit:.1f} % unexplained at held-out positions>"

    @property
    def table(self) -> pd.DataFrame:
        """Unknowns of the first period: value, standard error, unit, and whether at a bound."""
        return pd.DataFrame(self.periods[0].table()).set_index("unknown")

    @property
    def held_out(self) -> dict[str, float]:
        """Share of the signal that is unexplained at held-out positions, as amplitude.

        ``all``, and by mixing order, signal-to-noise ratio and spatial frequency.
        """
        return self.periods[0].model.held_out

    @property
    def describes(self) -> bool:
        """Whether the model describes the scan well enough to restore it."""
        return all(fit.model.describes for fit in self.periods)

    @property
    def doubts(self) -> list[str]:
        """What to check, such as a gradient that is far from that of the header."""
        return self.periods[0].model.doubts()

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON, which ``restore(fit=path)`` and the command line take."""
        write_fits(path, self.periods, self.source)


def fit(
    scan: Scan | str | Path,
    *,
    states: Sequence[str] | None = None,
    missing: np.ndarray | str | Path | None = None,
) -> Fit:
    """Fit tracer and fields to a calibration (docs/fit.md).

    Parameters
    ----------
    scan
        Scan or MDF file.
    states
        States of the particles to try, of ``fluid``, ``immobilized``, ``langevin`` and ``neel``;
        ``langevin`` by default.
    missing
        Voxels that are not used, bool (Nx, Ny, Nz), or the CSV file of a mask.

    Raises
    ------
    InputError
        If the scan cannot be fitted.
    """
    scan = _scan(scan)
    task = None if missing is None else _task(scan, "inpainting", None, missing)
    settings = DEFAULTS if states is None else FitSettings.checked({"states": list(states)})
    fits = fit_calibration(scan.path, task=task, settings=settings, background=scan.background)
    return Fit(fits, scan.path.name)


class RestoredScan(Scan):
    """A restored calibration, see :func:`smrestore.restore`.

    All that a :class:`Scan` has, and:

    Attributes
    ----------
    before
        The scan that was restored.
    summary
        What became of each component: :class:`smrestore.restoration.RestorationSummary`.
    decision
        Which method restored each component, if this was left open:
        :class:`smrestore.restoration.automatic.Decision`, else None.
    """

    def __init__(
        self,
        path: str | Path,
        before: Scan,
        summary: RestorationSummary,
        decision: Decision | None = None,
        **reading: object,
    ) -> None:
        super().__init__(path, background=None, **reading)
        self.before, self.summary, self.decision = before, summary, decision
        self._folder: tempfile.TemporaryDirectory | None = None

    @cached_property
    def table(self) -> pd.DataFrame:
        """Medians over the components with signal of each receive channel.

        The ratios are those of the largest magnitude to the roughness between voxels. They tell
        smoothness, not truth.
        """
        return pd.DataFrame(self.summary.channel_rows())

    def difference(
        self, channel: int, mixing_order: Order | None = None, *, frequency: int | None = None
    ) -> Component:
        """Return what was changed of a component: restored minus measured.

        Raises
        ------
        InputError
            If the restored grid is another one.
        """
        if self.grid.size != self.before.grid.size:
            raise InputError(
                f"{self.grid.size} restored and {self.before.grid.size} measured voxels have no "
                "difference",
                path=self.before.path,
                remedy="compare them where both have voxels",
            )
        chosen = {"mixing_order": mixing_order, "frequency": frequency}
        return self.component(channel, **chosen).minus(self.before.component(channel, **chosen))

    def save(self, path: str | Path) -> Path:
        """Write the restored calibration as MDF, with all that is known of its scan.

        Raises
        ------
        InputError
            If this would replace the scan, or the file cannot be written.
        """
        check_separate(path, self.before.path, self.path)
        with atomic_path(path) as temporary:
            shutil.copyfile(self.path, temporary)
        return Path(path)


def restore(
    scan: Scan | str | Path,
    *,
    task: str = "denoising",
    method: str | None = None,
    model: str | Path | None = None,
    factor: int | None = None,
    missing: np.ndarray | str | Path | None = None,
    fit: Fit | str | Path | None = None,
    output: str | Path | None = None,
    **options: object,
) -> RestoredScan:
    """Restore all components of a calibration (docs/lab.md).

    Parameters
    ----------
    scan
        Scan or MDF file; it is never changed.
    task
        ``denoising``, ``accelerated-calibration``, ``upsampling`` or ``inpainting``.
    method
        ``dct-filter`` (denoising), ``spline`` (finer grids), ``biharmonic`` (inpainting), or
        physics fitted to the scan: ``model-and-measurement``, or ``model`` alone. If neither a
        method nor a network is given, each component is restored by the fitted physics or by a
        network of the package, whichever has the least expected error.
    model
        Weights of a trained network, with its card beside them.
    factor
        Accelerated calibration and upsampling: restored voxels per measured one and axis.
    missing
        Inpainting: voxels to restore, bool (Nx, Ny, Nz), or the CSV file of a mask.
    fit
        Of fitted methods: what :func:`smrestore.fit` found, or its file. The scan is fitted
        otherwise.
    output
        MDF file to write. By default a temporary file, which is removed with the result;
        :meth:`RestoredScan.save` keeps it.
    options
        Further ones of :func:`smrestore.restoration.asked.restore_as_asked`, such as ``omega``,
        ``twins`` or ``within_noise``.

    Raises
    ------
    InputError
        If options do not belong together, or the scan cannot be restored.
    """
    known = list(signature(restore_as_asked).parameters)[3:]
    for name in options:
        if name not in known:
            raise InputError("unknown option", field=name, remedy=choice_remedy(name, known))
    scan = _scan(scan)
    scan_of_task = _task(scan, task, factor, missing)
    folder = tempfile.TemporaryDirectory(prefix="smrestore-", ignore_cleanup_errors=True)
    if isinstance(fit, Fit):
        kept = Path(folder.name) / "fit.json"
        fit.save(kept)
        fit = kept
    made = output or Path(folder.name) / f"{scan.path.stem}-{method or 'restored'}.mdf"
    leakage = scan.reading.get("spectral_leakage", "ignore")
    summary, decision = restore_as_asked(
        scan.path,
        made,
        scan_of_task,
        method=method,
        model=model,
        fit=fit,
        background=scan.background,
        **{"spectral_leakage": leakage, **options},
    )
    result = RestoredScan(
        made,
        scan,
        summary,
        decision,
        period=scan.reading.get("period"),
        transfer_function=scan.reading.get("transfer_function", "ignore"),
    )
    result._folder = folder
    return result


def _scan(scan: Scan | str | Path) -> Scan:
    return scan if isinstance(scan, Scan) else Scan(scan)


def _task(
    scan: Scan, name: str, factor: int | None, missing: np.ndarray | str | Path | None
) -> ScanTask:
    if isinstance(missing, str | Path):
        missing = read_mask(missing, scan.grid.size)
    elif missing is not None:
        missing = np.asarray(missing, dtype=bool)
        if missing.shape != scan.grid.size:
            raise InputError(
                f"the mask has shape {missing.shape}, the scan {scan.grid.size} voxels",
                field="missing",
                remedy="give one value per voxel, True where it is missing",
            )
    return scan_task(name, factor=factor, missing=missing)

"""``smrestore restore``: restore a calibration scan."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter
from cyclopts.types import PositiveFloat, PositiveInt
from cyclopts.validators import LimitedChoice

from smrestore.support.choices import Background, Ensemble, Leakage

how = Parameter(group=Group("Method (one at most)", validator=LimitedChoice()))


def restore(
    task: str,
    scan: Path,
    output: Path,
    /,
    *,
    model: Annotated[Path | None, how] = None,
    method: Annotated[str | None, how] = None,
    omega: PositiveFloat | None = None,
    factor: int | None = None,
    mask: Path | None = None,
    sigma_factor: PositiveFloat | None = None,
    within_noise: PositiveFloat | None = None,
    ensemble: Annotated[tuple[Ensemble, ...], Parameter(consume_multiple=1)] = (),
    twins: bool = False,
    fit: Path | None = None,
    save_fit: Path | None = None,
    as_measured_below: float | None = None,
    allow_misfit: bool = False,
    background: Background = "interpolate",
    spectral_leakage: Leakage = "ignore",
    pictures: Path | None = None,
    components: PositiveInt = 4,
) -> None:
    """Restore a calibration scan.

    Restores all components and writes them as MDF. The scan itself is never changed. Without a
    method, physics is fitted to the scan, and each component is restored by it or by a network of
    the package, whichever has the least expected error. docs/lab.md shows how.

    Parameters
    ----------
    task
        denoising, accelerated-calibration, upsampling or inpainting.
    scan
        Calibration scan, MDF.
    output
        MDF file to write.
    model
        Weights of a trained network, or its name in smrestore models. Needs smrestore[networks].
    method
        Classical method: dct-filter, spline (finer grids), biharmonic (missing); or physics fitted
        to the scan: model, model-and-measurement.
    omega
        Threshold of dct-filter; 2.75 by default.
    factor
        Accelerated calibration and upsampling: restored voxels for each measured one and axis.
    mask
        Inpainting: CSV of missing voxels, for example from smrestore propose-mask.
    sigma_factor
        Classical methods are told the standard deviation of the background frames, which drift,
        times this factor, 0.3 by default. Networks are told the noise of the components.
    within_noise
        Networks change measured voxels by at most this many standard deviations of their noise, 3
        by default; inf for no limit. Denoising also gives back what they removed beyond 1.75 times
        the power of the noise, unless this is inf.
    ensemble
        Networks also restore turned or mirrored versions of each component, and average them.
        Mirrored ones need a network that was trained with them.
    twins
        Denoising: average each component with its twin frequencies first.
    fit
        Fitted methods: result of smrestore fit for this scan, or for another one with the same
        sequence and tracer. If left out, the scan is fitted.
    save_fit
        Fitted methods: JSON file for the fit.
    as_measured_below
        Without a method, for denoising: components stay as they were measured if their largest
        restored magnitude is less than this many dB above their expected error.
    allow_misfit
        Fitted methods: also restore scans that the model does not describe.
    background
        How the background frames are subtracted.
    spectral_leakage
        Whether the leakage of time signals with several equal drive-field periods per frame is
        corrected. Other calibrations cannot be corrected.
    pictures
        Folder to draw components in, before and after.
    components
        Number of components to draw, from weak to strong ones.
    """
    from smrestore.restoration.asked import restore_as_asked
    from smrestore.restoration.summary import WITH_SIGNAL
    from smrestore.support.files import check_separate
    from smrestore.tasks.configured import configured_task

    for made in filter(None, (output, save_fit)):
        check_separate(made, mask)
    entry = {"task": task, "factor": factor}
    if mask is not None:
        entry["missing"] = {"file": mask}
    name = method or (str(model) if model else "least expected error")
    reading = {
        "background": None if background == "none" else background,
        "spectral_leakage": spectral_leakage,
    }
    summary, decision = restore_as_asked(
        scan,
        output,
        configured_task(entry, scan, mask),
        method=method,
        model=model,
        omega=omega,
        sigma_factor=sigma_factor,
        within_noise=within_noise,
        ensemble=ensemble,
        twins=twins,
        fit=fit,
        save_fit=save_fit,
        as_measured_below=as_measured_below,
        allow_misfit=allow_misfit,
        **reading,
    )
    if decision is not None:
        if decision.without_model:
            print(f"Without fitted physics: {decision.without_model}")
        print(_table(decision.rows(), ".1f"))
        print(
            f"Median gain over the components with an SNR of {WITH_SIGNAL:g} or more, as expected"
        )
        print("from the fit and from virtual scans.")
    print(_table(summary.channel_rows(), ".2f"))
    print(f"Medians over the components with an SNR of {WITH_SIGNAL:g} or more before: largest")
    print("magnitude over the roughness between voxels. It tells smoothness, not truth.")
    print(f"{output}: restored by {name}")
    if pictures is not None:
        from smrestore.figures.restoration_view import choose_components, plot_restored

        places = choose_components(summary.snr_before, components, WITH_SIGNAL)
        drawn = plot_restored(scan, output, pictures, places, name=name, **reading)
        print("\n".join(map(str, drawn)))


def _table(rows: Iterable[Mapping[str, object]], numbers: str) -> str:
    """Return a table; what is not known is left empty."""
    from tabulate import tabulate

    known = [{key: None if value != value else value for key, value in row.items()} for row in rows]
    return tabulate(known, headers="keys", floatfmt=numbers, missingval="")

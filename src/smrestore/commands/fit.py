"""``smrestore fit``: fit the physics to a calibration scan."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smrestore.support.choices import Background, State


def fit(
    scan: Path,
    output: Path,
    /,
    *,
    mask: Path | None = None,
    states: Annotated[tuple[State, ...], Parameter(consume_multiple=1)] = (),
    background: Background = "interpolate",
) -> None:
    """Fit tracer and fields to a calibration scan.

    Writes the fit as JSON, with standard errors and the misfit at held-out positions. smrestore
    restore --fit uses it. docs/fit.md shows how.

    Parameters
    ----------
    scan
        Calibration scan, MDF.
    output
        JSON file to write.
    mask
        CSV of missing voxels, for example from smrestore propose-mask.
    states
        States of the particles to try: fluid, immobilized, langevin, which is the default, and neel
        (fluid, out of equilibrium), which takes minutes more.
    background
        How the background frames are subtracted.
    """
    from tabulate import tabulate

    from smrestore.fitting.model import write_fits
    from smrestore.fitting.settings import FitSettings
    from smrestore.restoration.modelled import fit_calibration
    from smrestore.support.files import check_separate
    from smrestore.tasks.configured import configured_task

    check_separate(output, scan, mask)
    task = None
    if mask is not None:
        entry = {"task": "inpainting", "factor": None, "missing": {"file": mask}}
        task = configured_task(entry, scan, mask)
    fits = fit_calibration(
        scan,
        task=task,
        settings=FitSettings(**({"states": states} if states else {})),
        background=None if background == "none" else background,
    )
    write_fits(output, fits, scan.name)
    first = fits[0]
    tracer = first.table()[: first.model.family.n_tracer]
    shown = [
        {key: row[key] for key in ("unknown", "value", "standard error", "unit")} for row in tracer
    ]
    print(first.model.physics)
    print(tabulate(shown, headers="keys", floatfmt=".3g"))
    errors = [
        {"held out": name, "relative misfit in %": 100 * value}
        for name, value in first.model.held_out.items()
    ]
    print(tabulate(errors, headers="keys", floatfmt=".2f"))
    if first.model.left_out:
        print(f"{len(first.model.left_out)} positions are unlike the others and were left out")
    print(f"{output}: physics fitted to {scan}")

"""``smrestore plan-calibration``: where to measure a calibration, and what to expect of it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveFloat, PositiveInt

from smrestore.support.choices import Background, Choice, State

COUNTS = (10, 20, 30, 50, 100, 200)
"""Numbers of positions that are compared."""


def plan_calibration(
    scan: Path,
    output: Path,
    /,
    *,
    positions: PositiveInt | None = None,
    quality: PositiveFloat | None = None,
    averages: PositiveInt | None = None,
    choice: Choice = "spread",
    robot_time: float = 0.0,
    fit: Path | None = None,
    mask: Path | None = None,
    states: Annotated[tuple[State, ...], Parameter(consume_multiple=1)] = (),
    background: Background = "interpolate",
    seed: int = 0,
) -> None:
    """Plan a calibration of few positions, from an earlier one of the same sequence and grid.

    Fits the physics to the earlier calibration, which may be noisy or incomplete. Says what quality
    a restoration by a fit is expected to reach from so many positions and averages, and writes the
    positions in the order of a path. docs/fit.md shows how.

    Parameters
    ----------
    scan
        Earlier calibration scan, MDF.
    output
        CSV of positions to write: voxel x, y, z from 0, and place in mm.
    positions
        Number of positions; 50 if neither this nor a quality is given.
    quality
        Mean PSNR of the components in dB; the least number of positions is taken that is expected
        to reach it.
    averages
        Of each position; those of the scan by default.
    choice
        spread (far from each other), information (what tells most about the fit; better for few
        positions), or random.
    robot_time
        Seconds that the robot takes for each position, for the time of the calibration.
    fit
        Fit of smrestore fit, to this scan or another one of the same sequence and tracer; the scan
        is fitted if it is not given.
    mask
        CSV to write of the voxels that are not measured, for smrestore restore inpainting --mask.
    states
        States of the particles that are tried: fluid, immobilized, langevin, which is the default,
        and neel (fluid, out of equilibrium), which takes minutes more.
    background
        How the background frames are subtracted.
    seed
        Of random positions.
    """
    from tabulate import tabulate

    from smrestore.fitting.settings import FitSettings
    from smrestore.restoration.planning import plan_positions
    from smrestore.support.files import check_separate

    check_separate(output, scan, fit)
    if mask is not None:
        check_separate(mask, scan, fit, output)
    plan = plan_positions(
        scan,
        counts=COUNTS,
        count=positions,
        quality=quality,
        averages=averages,
        choice=choice,
        robot_time=robot_time,
        fit=fit,
        settings=FitSettings(**({"states": states} if states else {})),
        background=None if background == "none" else background,
        seed=seed,
    )
    print(tabulate(plan.expectations, headers="keys", floatfmt=".1f"))
    print("Expected mean PSNR in dB of components restored by the model, from positions (rows) and")
    print("averages (columns), and the time of the calibration. A cautious estimate: docs/fit.md.")
    plan.write(output, mask)
    print(f"{output}: {len(plan.chosen)} of {plan.grid.n_positions} positions, {plan.summary}")

"""``smrestore demo``: two virtual scans, and the commands that restore them."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from smrestore.support.errors import InputError

CALIBRATION = "calibration.mdf"
PHANTOM = "phantom.mdf"
SEED = 1


@dataclass(frozen=True)
class Step:
    """A command of the walk.

    Attributes
    ----------
    says
        What it does.
    arguments
        As the user types them after ``smrestore``.
    output
        File that it writes last; None if it only prints.
    look
        What to look at afterwards.
    """

    says: str
    arguments: tuple[str, ...]
    output: str | None
    look: str


STEPS = (
    Step(
        "What was measured?",
        ("inspect", CALIBRATION),
        None,
        "Each position was measured once. Most rows, at high frequencies, are noise: see SNR.",
    ),
    Step(
        "Fit tracer and fields to the calibration scan.",
        ("fit", CALIBRATION, "fit.json"),
        "fit.json",
        "The truth is known here: cores of 20 nm, a spread of 0.1, an anisotropy of 1500 J/m^3 and "
        "a relaxation time of 1.5 us.",
    ),
    Step(
        "Restore the system matrix by the fitted physics and the measured values.",
        ("restore", "denoising", CALIBRATION, "restored.mdf", "--method", "model-and-measurement",
         "--fit", "fit.json", "--pictures", "pictures"),
        "restored.mdf",
        "pictures/ shows components before and after.",
    ),
    Step(
        "Reconstruct the phantom with the system matrix as it was measured ...",
        ("reconstruct", CALIBRATION, PHANTOM, "image-measured.mdf"),
        "image-measured.mdf",
        "image-measured.png is the image.",
    ),
    Step(
        "... and with the restored one.",
        ("reconstruct", "restored.mdf", PHANTOM, "image-restored.mdf"),
        "image-restored.mdf",
        "Compare image-restored.png: the phantom is a tube of even concentration, bent like a "
        "snake.",
    ),
    Step(
        "Browse all components before and after.",
        ("view", CALIBRATION, "restored.mdf", "-o", "page.html"),
        "page.html",
        "Open page.html in a browser; it needs no network.",
    ),
)  # fmt: skip


def demo(folder: Path = Path("smrestore-demo"), /) -> None:
    """Restore a small virtual scan, step by step.

    Makes a calibration scan and a phantom scan with the virtual scanner. Then it runs and shows the
    commands that inspect, fit, restore, reconstruct and view them, which takes about a minute. What
    is there already is not made again.

    Parameters
    ----------
    folder
        Folder for all files.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file", path=folder, remedy="give the name of a folder")
    folder.mkdir(parents=True, exist_ok=True)
    print(f"A virtual scanner measures {CALIBRATION} and {PHANTOM} in {folder}.")
    make_scans(folder)
    print(f"\n$ cd {shlex.quote(str(folder))}", flush=True)
    for step in STEPS:
        print(f"\n# {step.says}\n$ {shlex.join(('smrestore', *step.arguments))}", flush=True)
        if step.output is not None and (folder / step.output).exists():
            print(f"{step.output} is there already.")
        else:
            _run(folder, step)
        print(f"-> {step.look}")
    print(
        f"\nAll files lie in {folder}. Delete it to begin again. Next: docs/lab.md, your own scans."
    )


def make_scans(folder: Path) -> None:
    """Write a calibration and a phantom scan of the virtual scanner, if they are missing."""
    calibration, phantom = folder / CALIBRATION, folder / PHANTOM
    if calibration.exists() and phantom.exists():
        return
    from smrestore.configuration.scanners import Scanner
    from smrestore.scanner import (
        load_grid,
        load_phantom,
        load_scanner,
        load_sequence,
        scan_calibration,
        scan_phantom,
    )

    scanner = load_scanner("demo", Scanner(tracer={"core_sizes": 3}).model_dump())
    sequence = load_sequence(
        {
            "drive_amplitude_mT": (12, 12, 0),
            "gradient_T_per_m": (-1, -1, 2),
            "dividers": (102, 96, 99),
            "base_frequency_Hz": 2.5e6,
            "sampling_rate_Hz": 2.5e6,
        }
    )
    grid = load_grid({"size": (17, 15, 1), "fov_mm": (34, 30, 0), "center_mm": (0, 0, 0)})
    points = [[-8.5, 8, 0], [8.5, 8, 0], [8.5, 0, 0], [-8.5, 0, 0], [-8.5, -8, 0], [8.5, -8, 0]]
    tube = {"shape": "tube", "points_mm": points, "radius_mm": 1.25, "concentration": 1.0}
    setup = (scanner, sequence, grid)
    if not calibration.exists():
        truth = folder / "calibration.truth.h5"
        scan_calibration(calibration, truth, *setup, averages=1, seed=SEED)
    if not phantom.exists():
        scan_phantom(
            phantom,
            folder / "phantom.truth.h5",
            *setup,
            load_phantom([tube]),
            frames=10,
            background_frames=10,
            averages=100,
            seed=SEED,
        )


def _run(folder: Path, step: Step) -> None:
    """Run a step as the shell would, in the folder."""
    # Paths to modules may be relative to the folder that this process runs in.
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
    command = [sys.executable, "-m", "smrestore.cli", *step.arguments]
    result = subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": paths})
    if result.returncode != 0:
        raise InputError(
            f"smrestore {step.arguments[0]} failed",
            path=folder,
            remedy="delete the folder, and run smrestore demo again",
        )

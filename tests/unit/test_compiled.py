"""What is compiled in advance is all that simulation, scanner and reconstruction need."""

import subprocess
import sys
from pathlib import Path

# In a process of its own: here, other tests may have compiled anything.
SCRIPT = """
import sys
from pathlib import Path

import numpy as np
from numba.core.registry import CPUDispatcher
from tiny_scanner import SCANNER

from smrestore import compiled
from smrestore.physics.parameters import SizeLimits, draw_cases
from smrestore.physics import CalibrationGrid, Sequence
from smrestore.reconstruction.solver import kaczmarz
from smrestore.reconstruction.rows import row_weights
from smrestore.scanner import load_scanner, scan_calibration
from smrestore.simulation.batches import ComponentSelection, simulate_batch


def signatures():
    return {
        (name, attribute, str(signature))
        for name, module in list(sys.modules.items())
        if name.startswith("smrestore.")
        for attribute, value in vars(module).items()
        if isinstance(value, CPUDispatcher)
        for signature in value.signatures
    }


compiled.main()
known = signatures()
folder = Path(sys.argv[1])
for dimension in (2, 3):
    for model in ("anisotropy", "langevin"):
        cases = draw_cases(
            1,
            seed=1,
            dataset="tiny",
            split="train",
            dimension=dimension,
            model=model,
            limits=SizeLimits((4, 12)),
            sampling_rate=2.5e6,
        )
        selection = ComponentSelection(1e-5, 20)
        simulate_batch(cases, folder / f"{model}{dimension}.h5", selection=selection, seed=1)
scan_calibration(
    folder / "scan.mdf",
    folder / "truth.h5",
    load_scanner("tiny", SCANNER),
    Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6),
    CalibrationGrid((3, 3, 1), (0.02, 0.02, 0.0)),
    averages=1,
    seed=1,
)
rows = np.random.default_rng(0).normal(size=(6, 4)).astype(np.complex64)
weights = row_weights("row-norm", rows)
for frames in (1, 3):
    kaczmarz(rows, np.ones((6, frames)), regularization=0.1, sweeps=2, weights=weights)
assert len(known) > 10
print(*sorted(signatures() - known), sep="\\n")
"""


def test_nothing_is_left_to_compile(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    first, *left = result.stdout.split("\n")
    assert first.startswith("compiled in ")
    assert not any(left), left

"""Classical methods are repeatable to the last digit, in other processes and with other threads."""

import os
import subprocess
import sys

import pytest

from smrestore.evaluation.scores import EvaluationSet, evaluate
from smrestore.methods import load_method

CASES = {
    "dct-f": ("denoising", {}, {"method": "dct-filter", "omega": 2.75}),
    "spline": ("upsampling", {"factor": 2}, {"method": "spline", "alignment": "aligned"}),
    "half-pixel": ("upsampling", {"factor": 2}, {"method": "spline", "alignment": "half-pixel"}),
    "accelerated": (
        "accelerated-calibration",
        {"factor": 2},
        {"method": "spline", "alignment": "aligned"},
    ),
    "biharmonic": ("inpainting", {"mask_ratio": [0.1, 0.1]}, {"method": "biharmonic"}),
}


def evaluate_all(matrices, pool, folder):
    for name, (task, degradation, baseline) in CASES.items():
        test_set = EvaluationSet("t", task, 4, (0.0, 0.1), "complex", degradation=degradation)
        evaluate(
            test_set,
            load_method(baseline, None),
            name,
            matrices=[matrices],
            noise_pool=pool,
            seed=3,
            path=f"{folder}/{name}.csv",
        )


@pytest.fixture(scope="module")
def twice(world, tmp_path_factory):
    """Folders of two evaluations, the second in a process with one thread."""
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    evaluate_all(world.validation, world.pool, here)
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    subprocess.run(
        [sys.executable, __file__, str(world.validation), str(world.pool), str(there)],
        env={**os.environ, **dict.fromkeys(threads, "1")},
        check=True,
    )
    return here, there


@pytest.mark.parametrize("name", CASES)
def test_rows_are_the_same_bytes(twice, name):
    here, there = ((folder / f"{name}.csv").read_bytes() for folder in twice)
    assert here.count(b"\n") == 17
    assert here == there


if __name__ == "__main__":
    evaluate_all(*sys.argv[1:])

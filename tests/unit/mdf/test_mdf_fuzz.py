"""Hundreds of damaged files: each is read correctly or refused with a clear error."""

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from mdf_files import (
    SEQUENCE,
    acquisition,
    calibration,
    grid_transform,
    interleaved,
    raw_signals,
    write_raw,
    write_stored,
)
from mdf_mutations import KINDS, damaged_copy

HELPERS = Path(__file__).parents[1]
K = SEQUENCE.n_frequencies
SEED = 20
PER_KIND_AND_SOURCE = 14
PROCESSES = 2
MEMORY = 3 << 30
SECONDS = 20


def sources(folder: Path) -> list[Path]:
    """Write small files of four dialects."""
    rng = np.random.default_rng(SEED)
    mask = interleaved(2, 3)
    grid = calibration(3, 2, 1, is_meandering=True, delta_sample_size=(1e-3, 1e-3, 1e-3))
    raw = write_raw(
        folder / "raw.mdf",
        raw_signals(SEED, len(mask)),
        mask,
        calibration=grid,
        conversion_factor=rng.normal(size=(3, 2)),
        transfer_function=rng.normal(size=(3, K)) + 1j,
    )
    data = rng.normal(size=(1, 2, 22, 9, 2)).astype(np.float32).view(np.complex64)[..., 0]
    processed = write_stored(
        folder / "processed.mdf",
        data,
        np.arange(9) >= 6,
        {
            "isFourierTransformed": True,
            "isFastFrameAxis": True,
            "isFramePermutation": True,
            "isFrequencySelection": True,
        },
        acquisition=acquisition(9, 2),
        calibration=calibration(3, 2, 1, snr=rng.random((1, 2, 22))),
        fields={
            "/measurement/framePermutation": np.array([2, 3, 4, 8, 7, 6, 1, 5, 9]),
            "/measurement/frequencySelection": rng.permutation(K)[:22] + 1,
        },
    )
    with h5py.File(processed, "r+") as file:
        values = file["measurement/data"][()]
        del file["measurement/data"]
        file.create_dataset("measurement/data", data=values, chunks=(1, 1, 8, 9), compression=4)
    forward = grid_transform("DCT-II", (2, 2, 2))
    sparse = write_stored(
        folder / "sparse.mdf",
        (rng.normal(size=(1, 2, K, 7)) @ np.eye(7)).astype(np.complex64),
        np.arange(7) >= 5,
        {"isFourierTransformed": True, "isFastFrameAxis": True, "isSparsityTransformed": True},
        acquisition=acquisition(7, 2),
        calibration=calibration(2, 2, 2),
        fields={
            "/measurement/sparsityTransformation": "DCT-II",
            "/measurement/subsamplingIndices": np.argsort(rng.random((1, 2, K, len(forward))))[
                ..., :5
            ]
            + 1,
        },
    )
    patches = write_stored(
        folder / "patches.mdf",
        rng.normal(size=(4, 2, 3, SEQUENCE.n_samples)),
        np.zeros(4),
        {},
        acquisition=replace(acquisition(4), n_periods=2),
    )
    return [raw, processed, sparse, patches]


def read_apart(report: Path, paths: list[Path]) -> dict[str, dict]:
    """Read files in other processes, a new one after each crash; return what became of each."""
    left = [str(path) for path in paths]
    results = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    while left:
        run = subprocess.run(
            [
                sys.executable,
                str(HELPERS / "mdf_mutations.py"),
                str(report),
                str(MEMORY),
                str(SECONDS),
                *left,
            ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        lines = [json.loads(line) for line in report.read_text().splitlines()]
        results = {line["path"]: line for line in lines}
        for path, line in results.items():
            if line["state"] == "started":
                ending = f"the process ended with {run.returncode}: {run.stderr[-500:]}"
                results[path] = {**line, "state": "crashed", "why": ending}
                with report.open("a") as file:
                    file.write(json.dumps(results[path]) + "\n")
        started = len(left)
        left = [path for path in left if path not in results]
        assert len(left) < started, f"the reading process does not start: {run.stderr}"
    return results


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> tuple[dict[str, str], dict[str, dict]]:
    """Damage files, read them; return what was done to each and what became of it."""
    folder = tmp_path_factory.mktemp("fuzz")
    done = {}
    for s, source in enumerate(sources(folder)):
        for k, kind in enumerate(KINDS):
            for i in range(PER_KIND_AND_SOURCE):
                path = folder / f"{source.stem}-{kind}-{i}.mdf"
                done[str(path)] = damaged_copy(source, path, (SEED, s, k, i), kind)
    paths = [Path(path) for path in done]
    parts = [paths[i::PROCESSES] for i in range(PROCESSES)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        reports = [folder / f"report-{i}.jsonl" for i in range(PROCESSES)]
        results = {}
        for part in pool.map(read_apart, reports, parts):
            results |= part
    return done, results


def test_undamaged_files_are_read(tmp_path):
    paths = sources(tmp_path)
    results = read_apart(tmp_path / "report.jsonl", paths)
    for path in paths:
        line = results[str(path)]
        assert line["state"] == "read", line
        assert line["errors"] == []
        assert line["checked"] == (1 if "patches" in path.name else 2)


def test_no_damaged_file_does_harm(outcome):
    done, results = outcome
    assert len(done) == len(KINDS) * 4 * PER_KIND_AND_SOURCE >= 500
    assert set(results) == set(done)
    harm = [
        f"{Path(path).name} ({done[path]}): {line['why']}"
        for path, line in results.items()
        if line["state"] != "read"
    ]
    assert not harm, f"{len(harm)} files did harm:\n" + "\n".join(harm)


def test_damage_is_real(outcome):
    """Most files are refused, and some are still read: the damage is neither nil nor total."""
    done, results = outcome
    refused = Counter(
        path.rsplit("-", 2)[1] for path, line in results.items() if line.get("errors")
    )
    for kind in KINDS:
        assert refused[kind] > 5, refused
    read = sum(line.get("checked", 0) > 0 for line in results.values())
    assert read > len(done) / 10

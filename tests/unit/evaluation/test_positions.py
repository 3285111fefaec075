"""Which positions to measure, and how good a calibration of few positions is."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from fitted_scanner import GRID, SEQUENCE, SETTINGS
from tiny_scanner import SEED

from smrestore.cli import main
from smrestore.evaluation.positions import (
    StudyScans,
    Subset,
    study_positions,
    summary_of,
    tabulate_positions,
)
from smrestore.figures.positions import draw_positions
from smrestore.fitting.design import Design, chosen_positions
from smrestore.fitting.scan import fit_scan, read_calibration
from smrestore.reconstruction import ReconstructionSettings
from smrestore.restoration.planning import plan_positions
from smrestore.scanner import Phantom, scan_phantom
from smrestore.scanner.phantoms import Box
from smrestore.support.errors import InputError


@pytest.fixture(scope="module")
def design(scan):
    data = read_calibration(scan)
    return data, Design.of(data, fit_scan(data, SETTINGS).model, 10)


def test_more_positions_and_averages_are_expected_to_help(design):
    data, found = design
    quality = [
        found.expected_psnr(
            chosen_positions("spread", data, n, design=None, rng=None, averages=10), 10
        )
        for n in (8, 20, 72)
    ]
    assert quality == sorted(quality)
    everything = np.arange(72)
    assert found.expected_psnr(everything, 100) > found.expected_psnr(everything, 10) + 3


def test_informative_positions_are_expected_to_be_better_than_random_ones(design):
    data, found = design
    rng = np.random.default_rng(0)
    chosen = chosen_positions("information", data, 10, design=found, rng=rng, averages=10)
    assert len(np.unique(chosen)) == 10
    drawn = [
        found.expected_psnr(
            chosen_positions("random", data, 10, design=found, rng=rng, averages=10), 10
        )
        for _ in range(8)
    ]
    assert found.expected_psnr(chosen, 10) > np.mean(drawn)


def test_the_information_is_that_of_the_likelihood(design):
    """Without prior and floor, the covariance is that of a linear fit with free factors."""
    _, found = design
    some = slice(0, 3)
    found = dataclasses.replace(
        found,
        images=found.images[:, some],
        slopes=found.slopes[:4, :, some],
        noise=1e3 * np.ones(3),
        prior=1e6 * np.ones(4),
        misfit=0.0,
    )
    everything = np.arange(len(found.images))
    columns = []
    for u in range(4):
        columns.append(found.slopes[u].T.ravel())
    for s in range(3):
        for factor in (1, 1j):
            column = np.zeros_like(found.images.T)
            column[s] = factor * found.images[:, s]
            columns.append(column.ravel())
    matrix = np.array(columns).T
    real = np.concatenate([matrix.real, matrix.imag])
    covariance = np.linalg.inv(real.T @ real) * 1e6 / 2
    predicted = np.einsum("np,pq,nq->n", real, covariance, real)
    error = predicted[: len(predicted) // 2] + predicted[len(predicted) // 2 :]
    peak = np.abs(found.images).max(axis=0)
    expected = np.mean(20 * np.log10(peak) - 10 * np.log10(error.reshape(3, -1).mean(axis=1)))
    assert found.expected_psnr(everything, 1) == pytest.approx(expected, abs=0.05)


def test_a_plan_is_a_path_over_the_grid(scan, tmp_path, capsys):
    table, mask = tmp_path / "positions.csv", tmp_path / "mask.csv"
    arguments = [
        "plan-calibration",
        str(scan),
        str(table),
        "--positions",
        "20",
        "--mask",
        str(mask),
    ]
    assert main([*arguments, "--states", "fluid", "--robot-time", "2"]) == 0
    printed = capsys.readouterr().out
    assert "20 of 72 positions, 10 averages each, 40" in printed
    positions = pd.read_csv(table)
    assert len(positions) == 20
    place = GRID.positions()[positions["x"], positions["y"], positions["z"]]
    np.testing.assert_allclose(1e3 * place, positions[["x_mm", "y_mm", "z_mm"]], atol=1e-3)
    steps = np.linalg.norm(np.diff(place, axis=0), axis=1)
    assert steps.max() < 0.8 * np.linalg.norm(np.ptp(place, axis=0))
    missing = pd.read_csv(mask, comment="#")
    assert len(missing) == 72 - 20
    assert not set(map(tuple, missing[["x", "y", "z"]].to_numpy())) & set(
        map(tuple, positions[["x", "y", "z"]].to_numpy())
    )
    restored = tmp_path / "restored.mdf"
    command = ["restore", "inpainting", str(scan), str(restored), "--mask", str(mask)]
    assert main([*command, "--method", "model"]) == 0


def test_the_least_positions_for_a_quality(scan):
    common = {"counts": (10, 20, 40), "settings": SETTINGS}
    everything = plan_positions(scan, count=72, **common)
    wanted = everything.expected_psnr - 6
    plan = plan_positions(scan, quality=wanted, **common)
    assert plan.expected_psnr >= wanted
    assert len(plan.chosen) < 72
    with pytest.raises(InputError, match="dB are not expected from all 72 positions"):
        plan_positions(scan, quality=everything.expected_psnr + 10, **common)
    with pytest.raises(InputError, match="are wanted of a grid of 72"):
        plan_positions(scan, count=73, **common)
    with pytest.raises(InputError, match="both given"):
        plan_positions(scan, count=5, quality=30.0, **common)


def test_variances_between_scans_are_pooled_over_sets_of_positions(tmp_path):
    values = {100: [40.0, 42.0], 50: [38.0, 37.0], 20: [np.nan, 30.0]}
    for scan in range(2):
        pd.DataFrame(
            [
                {"scan": f"s{scan}", "averages": 1, "choice": "spread", "number": n, "positions": n,
                 "method": "model", "label": "Model", "component_psnr_dB": pair[scan],
                 "image_psnr_dB": 1.0}
                for n, pair in values.items()
            ]
        ).to_csv(tmp_path / f"{scan}.csv")  # fmt: skip
    table = summary_of([tmp_path / "0.csv", tmp_path / "1.csv"]).set_index("number")
    # Variances 2 and 0.5 with one degree of freedom each; t of two is 4.303.
    expected = 4.303 * np.sqrt((2 + 0.5) / 2 / 2)
    np.testing.assert_allclose(table.loc[[100, 50], "component_psnr_dB"], [41, 37.5])
    np.testing.assert_allclose(table.loc[[100, 50], "component_psnr_dB_ci95"], expected, rtol=1e-3)
    assert table.loc[20, ["component_psnr_dB", "component_psnr_dB_ci95"]].isna().all()
    assert (table["image_psnr_dB_ci95"] == 0).all()
    assert summary_of([tmp_path / "0.csv"])["component_psnr_dB_ci95"].isna().all()


def test_a_study_of_positions(scan, scanner, tmp_path):
    phantom, concentration = tmp_path / "phantom.mdf", tmp_path / "phantom.h5"
    scan_phantom(
        phantom, concentration, scanner, SEQUENCE, GRID,
        Phantom((Box(center=(0.0, 0.0, 0.0), size=(0.01, 0.008, 0.002)),)),
        frames=2, background_frames=2, averages=100, seed=SEED,
    )  # fmt: skip
    path = tmp_path / "study.csv"
    study_positions(
        StudyScans(scan, scan.parent / "truth.h5", phantom, concentration),
        [Subset("every", 1), Subset("spread", 20), Subset("random", 3)],
        settings=SETTINGS,
        reconstruction=ReconstructionSettings(
            sweeps=20, relative_regularization=0.1, snr_threshold=3.0, channels=(0, 1)
        ),
        labels={"model": "Model", "model-and-measurement": "Both"},
        networks={},
        seed=SEED,
        path=path,
    )
    found = pd.read_csv(path).set_index(["choice", "method"])
    assert found.loc[("every", "model"), "positions"] == 72
    few, all_ = (found.loc[(c, "model"), "component_psnr_dB"] for c in ("spread", "every"))
    assert 25 < few < all_
    assert np.isnan(found.loc[("random", "model"), "component_psnr_dB"])
    table, page = tmp_path / "table.csv", tmp_path / "table.md"
    tabulate_positions([path], csv=table, markdown=page)
    assert "**Images**" in page.read_text()
    assert len(summary_of([path, path])) == len(summary_of([path]))
    draw_positions(table, tmp_path / "x.pdf", tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 10_000
    with pytest.raises(InputError, match="no results with 7 averages"):
        draw_positions(table, tmp_path / "x.pdf", tmp_path / "x.png", averages=7)

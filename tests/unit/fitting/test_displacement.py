"""Jitter of the robot, told from smooth displacements, and what it gives."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from fitted_scanner import GRID, SEQUENCE, SETTINGS
from tiny_scanner import SEED

from smrestore.fitting.apply import predict
from smrestore.fitting.basis import blocks
from smrestore.fitting.displacement import _estimate, _white_part
from smrestore.fitting.scan import fit_scan, read_calibration
from smrestore.metrics import psnr
from smrestore.scanner import scan_calibration


def places_and_smooth(rng) -> tuple[np.ndarray, np.ndarray]:
    """Return places (144, 3) in voxels and smooth displacements (144, 2) of some 0.1."""
    x, y = np.meshgrid(np.arange(12.0), np.arange(12.0), indexing="ij")
    places = np.stack([x.ravel(), y.ravel(), np.zeros(144)], axis=1)
    phases = rng.uniform(0, 2 * np.pi, 2)
    return places, 0.1 * np.sin(places[:, :2] / 4 + phases)


@pytest.mark.parametrize("jitter", [0.02, 0.05])
def test_jitter_is_told_from_smooth_displacements(jitter):
    rng = np.random.default_rng(3)
    places, smooth = places_and_smooth(rng)
    true = jitter * rng.normal(size=smooth.shape)
    noise = 0.005
    found = smooth + true + noise * rng.normal(size=smooth.shape)
    part, size, unknown = _white_part(places, found, np.full(smooth.shape, noise**2))
    assert size == pytest.approx(jitter, rel=0.4)
    error = np.mean((part - true) ** 2)
    assert error < 0.3 * jitter**2
    assert 0.5 < error / unknown < 2


def test_blocks_tell_as_much_as_the_whole(monkeypatch):
    rng = np.random.default_rng(3)
    places, smooth = places_and_smooth(rng)
    found = smooth + 0.05 * rng.normal(size=smooth.shape)
    variance = np.full(smooth.shape, 0.005**2)
    part, size, unknown = _white_part(places, found, variance)
    used = []

    def small_blocks(measured, wanted, margin):
        used.extend(blocks(measured, wanted, margin, largest=80))
        return used

    monkeypatch.setattr("smrestore.fitting.displacement.blocks", small_blocks)
    in_blocks, same_size, similar = _white_part(places, found, variance)
    assert len(used) > 1
    assert same_size == size
    assert similar == pytest.approx(unknown, rel=0.3)
    assert np.mean((in_blocks - part) ** 2) < 0.5 * unknown


def test_smooth_displacements_are_no_jitter():
    rng = np.random.default_rng(4)
    places, smooth = places_and_smooth(rng)
    found = smooth + 0.02 * rng.normal(size=smooth.shape)
    assert _white_part(places, found, np.full(smooth.shape, 0.02**2)) is None


def test_estimates_are_those_of_least_squares():
    rng = np.random.default_rng(5)
    slopes = rng.normal(size=(2, 7, 50)) + 1j * rng.normal(size=(2, 7, 50))
    true = rng.normal(size=(7, 2))
    target = np.einsum("aps,pa->ps", slopes, true)
    target = target + (rng.normal(size=(7, 50)) + 1j * rng.normal(size=(7, 50))) / np.sqrt(2)
    found, variance = _estimate(slopes, target)
    assert 0.4 < np.mean((found - true) ** 2 / variance) < 2


def quality(images: np.ndarray, truth: np.ndarray, noise: np.ndarray) -> float:
    """Return the mean PSNR of images (P, S) of components (S, P) that exceed their noise."""
    peak = np.abs(truth).max(axis=1)
    seen = np.flatnonzero(peak > 3 * noise)
    restored = images.T.reshape(-1, *GRID.size)
    true = truth.reshape(-1, *GRID.size)
    return float(np.mean([psnr(restored[k] / peak[k], true[k] / peak[k]) for k in seen]))


@pytest.mark.parametrize("jitter", [0.1e-3, 0.0])
def test_a_jittering_robot_is_corrected(scanner, tmp_path, jitter):
    path = tmp_path / "scan.mdf"
    robot = replace(scanner, position_jitter=jitter)
    scan_calibration(
        path, tmp_path / "truth.h5", robot, SEQUENCE, GRID, averages=1000, seed=SEED
    )  # fmt: skip
    data = read_calibration(path)
    with h5py.File(tmp_path / "truth.h5") as file:
        truth = file["system_matrix"][:2].reshape(-1, GRID.n_positions)
    data = replace(
        data,
        components=type(data.components)(
            data.components.channel[: len(truth)], data.components.frequency[: len(truth)]
        ),
        images=data.images[:, : len(truth)],
        noise=data.noise[: len(truth)],
    )
    model = fit_scan(data, SETTINGS).model
    alone, both = (
        quality(
            predict(data, model, data.positions, with_measurement=with_measurement).images,
            truth,
            data.noise,
        )
        for with_measurement in (False, True)
    )
    measured = quality(data.images, truth, data.noise)
    assert both > max(measured, alone) - 0.5
    if jitter:
        assert both > measured + 8

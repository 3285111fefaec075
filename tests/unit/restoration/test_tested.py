"""Warnings about scans outside of what was tested."""

from dataclasses import replace

import numpy as np
import pytest

from smrestore.physics import CalibrationGrid, Sequence
from smrestore.restoration.summary import RestorationSummary, out_of_phase
from smrestore.restoration.tested import of_components, of_grid

PLANE = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0))


def test_the_usual_grids_are_tested():
    assert of_grid(CalibrationGrid((17, 15, 1), (0.034, 0.03, 0.0)), PLANE) == []
    assert of_grid(CalibrationGrid((9, 9, 7), (0.018, 0.018, 0.007)), PLANE) == []


@pytest.mark.parametrize("size", [(40, 15, 1), (17, 4, 1), (40, 1, 1)])
def test_grids_of_unusual_size(size):
    fov = tuple(0.002 * n * (n > 1) for n in size)
    (doubt,) = of_grid(CalibrationGrid(size, fov), PLANE)
    assert "tested were 8 to 32 along each axis" in doubt


@pytest.mark.parametrize(("voxel", "shown"), [(5e-3, "1.7"), (0.5e-3, "17")])
def test_voxels_of_unusual_width(voxel, shown):
    grid = CalibrationGrid((15, 15, 1), (15 * voxel, 0.03, 0.0))
    (doubt,) = of_grid(grid, PLANE)
    assert doubt.startswith(f"{shown} voxels along x per width")


def test_an_axis_without_gradient_has_no_width():
    line = replace(PLANE, drive_amplitude=(0.012, 0.0, 0.0), gradient=(-1.0, 0.0, 1.0))
    assert of_grid(CalibrationGrid((15, 15, 1), (0.03, 0.03, 0.0)), line) == []


def of_images(images, noise):
    """Return the summary of a scan of one channel."""
    summary = RestorationSummary.unknown((1, 1, len(images)))
    summary.noise[...] = noise
    summary.peak[...] = np.abs(images).max(axis=(1, 2, 3))
    summary.out_of_phase[...] = out_of_phase(images, np.full(len(images), noise))
    return summary


def pictures(rng, *, imaginary=0.0, noise=0.01):
    """Return smooth components times random phases, with noise."""
    x = np.linspace(-1, 1, 15)
    real = np.array([np.cos(k * x)[:, None] * np.sin(k * x + 1) for k in range(1, 13)])
    other = np.array([np.sin(k * x)[:, None] * np.cos(k * x) for k in range(1, 13)])
    images = (real + 1j * imaginary * other) * np.exp(1j * rng.uniform(0, 6, 12))[:, None, None]
    added = rng.normal(size=(2, *images.shape)) * noise / np.sqrt(2)
    return (images + added[0] + 1j * added[1])[..., None]


def test_real_components_are_tested_and_complex_ones_are_not():
    rng = np.random.default_rng(0)
    assert of_components(of_images(pictures(rng), 0.01)) == []
    (doubt,) = of_components(of_images(pictures(rng, imaginary=0.3), 0.01))
    assert "not real up to a phase" in doubt


def test_noise_is_not_out_of_phase():
    images = pictures(np.random.default_rng(1), noise=0.1)
    shares = out_of_phase(images, np.full(len(images), 0.1))
    assert np.median(shares) < 0.05
    assert out_of_phase(np.zeros((1, 3, 3, 1), complex), np.ones(1)) == 0


def test_scans_without_signal():
    images = pictures(np.random.default_rng(0))[:3]
    (doubt,) = of_components(of_images(images, 0.01))
    assert doubt.startswith("3 components have 5 times their noise")
    assert of_components(of_images(images, 0.0)) == []
    assert of_components(RestorationSummary.unknown((1, 2, 3))) == []

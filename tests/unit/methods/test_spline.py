"""Spline interpolation: samples stay where they were measured."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from smrestore.methods.spline import BEYOND, ENDS, spline_upsample
from smrestore.support.errors import InputError

SHAPES = st.lists(st.integers(1, 13), min_size=1, max_size=3).map(tuple)
FACTORS = st.integers(1, 5)


def random_image(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def decimate(image, factor):
    return image[tuple(slice(None, None, factor if n > 1 else 1) for n in image.shape)]


def polynomial(shape, degree):
    """Return a polynomial of this degree along every axis."""
    rng = np.random.default_rng(degree)
    factors = [
        np.polynomial.Polynomial(rng.normal(size=degree + 1))(np.arange(n) / n) for n in shape
    ]
    image = np.ones(())
    for values in factors:
        image = np.multiply.outer(image, values)
    return image


@given(
    shape=SHAPES,
    factor=FACTORS,
    ends=st.sampled_from(ENDS),
    beyond=st.sampled_from(BEYOND),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_measured_voxels_keep_their_values(shape, factor, ends, beyond, seed):
    fine = random_image(shape, seed)
    coarse = decimate(fine, factor)
    restored = spline_upsample(coarse, factor, shape, ends=ends, beyond=beyond)
    assert restored.shape == shape
    np.testing.assert_allclose(decimate(restored, factor), coarse, atol=1e-10)


@pytest.mark.parametrize("shape", [(19,), (19, 17), (9, 13, 11)])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("ends", ["natural", "not-a-knot"])
def test_ramps_are_exact_up_to_the_last_sample(shape, factor, ends):
    fine = polynomial(shape, 1)
    restored = spline_upsample(decimate(fine, factor), factor, shape, ends=ends)
    interior = tuple(slice((n - 1) // factor * factor + 1) for n in shape)
    np.testing.assert_allclose(restored[interior], fine[interior], atol=1e-12)
    # Continued in a straight line they are exact to the end.
    restored = spline_upsample(decimate(fine, factor), factor, shape, ends=ends, beyond="linear")
    np.testing.assert_allclose(restored, fine, atol=1e-12)


def test_cubic_polynomials_are_exact_without_knots_at_the_ends():
    fine = polynomial((19, 17, 13), 3)
    restored = spline_upsample(decimate(fine, 2), 2, fine.shape, ends="not-a-knot")
    np.testing.assert_allclose(restored, fine, atol=1e-12)
    other = spline_upsample(decimate(fine, 2), 2, fine.shape)
    assert np.abs(other - fine).max() > 1e-4


@pytest.mark.parametrize(("length", "factor"), [(19, 2), (20, 2), (19, 4), (22, 4), (17, 3)])
def test_every_axis_is_the_spline_through_its_samples(length, factor):
    samples = random_image(-(-length // factor))
    places = factor * np.arange(len(samples))
    wanted = np.minimum(np.arange(length), places[-1])
    for ends in ENDS:
        expected = CubicSpline(places, samples, bc_type=ends)(wanted)
        restored = spline_upsample(samples, factor, [length], ends=ends)
        np.testing.assert_allclose(restored, expected, atol=1e-12)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_half_pixel_centers_shift_the_image(factor):
    length = 12 * factor
    ramp = np.arange(length, dtype=float)
    shifted = spline_upsample(ramp[::factor], factor, [length], alignment="half-pixel")
    shift = (factor - 1) / 2
    inside = (ramp >= shift) & (ramp <= 11 * factor + shift)
    np.testing.assert_allclose(shifted[inside], ramp[inside] - shift, atol=1e-12)
    # Both ends are held.
    np.testing.assert_allclose(shifted[ramp < shift], 0, atol=1e-12)
    aligned = spline_upsample(ramp[::factor], factor, [length])
    np.testing.assert_allclose(aligned[: 11 * factor], ramp[: 11 * factor], atol=1e-12)


def test_aligned_beats_half_pixel_on_smooth_images():
    x, y = np.meshgrid(np.linspace(-1, 1, 31), np.linspace(-1, 1, 29), indexing="ij")
    fine = (np.cos(5 * x) * np.sin(4 * y + 1))[:, :, None] * np.exp(0.3j)
    errors = {
        alignment: np.abs(
            spline_upsample(decimate(fine, 2), 2, fine.shape, alignment=alignment) - fine
        )
        for alignment in ("aligned", "half-pixel")
    }
    assert errors["half-pixel"].mean() > 20 * errors["aligned"].mean()


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([3.0], [3, 3, 3, 3]),
        ([0.0, 4.0], [0, 1, 2, 3, 4, 4, 4]),
        ([1.0, 1.0, 1.0], [1] * 9),
    ],
)
def test_few_samples(samples, expected):
    restored = spline_upsample(np.array(samples), 4, [len(expected)])
    np.testing.assert_allclose(restored, expected, atol=1e-12)


def test_three_samples_without_knots_are_a_parabola():
    fine = np.arange(9.0) ** 2
    np.testing.assert_allclose(
        spline_upsample(fine[::4], 4, [9], ends="not-a-knot"), fine, atol=1e-12
    )


def test_planes_are_2d_and_each_axis_may_have_its_factor():
    fine = random_image((9, 8, 1))
    plane = spline_upsample(fine[::2, ::2, 0], 2, (9, 8))
    np.testing.assert_array_equal(spline_upsample(fine[::2, ::2], 2, (9, 8, 1))[:, :, 0], plane)
    mixed = spline_upsample(fine[::2, ::1], (2, 1, 1), (9, 8, 1))
    np.testing.assert_allclose(mixed[::2], fine[::2], atol=1e-12)


@given(
    shape=SHAPES,
    factor=st.integers(2, 4),
    angle=st.floats(-np.pi, np.pi),
    scale=st.floats(0.01, 100),
    alignment=st.sampled_from(["aligned", "half-pixel"]),
)
@settings(max_examples=60, deadline=None)
def test_interpolation_is_linear_over_complex_numbers(shape, factor, angle, scale, alignment):
    a, b = (decimate(random_image(shape, seed), factor) for seed in (1, 2))
    weight = scale * np.exp(1j * angle)

    def up(image):
        return spline_upsample(image, factor, shape, alignment=alignment)

    np.testing.assert_allclose(up(a + weight * b), up(a) + weight * up(b), atol=1e-9 * (1 + scale))
    np.testing.assert_allclose(up(a.real), up(a).real, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_types_stay(dtype):
    restored = spline_upsample(np.ones((3, 3), dtype), 2, (6, 5))
    assert restored.dtype == dtype
    assert restored.flags.c_contiguous
    assert spline_upsample(np.ones((3, 3), int), 2, (6, 5)).dtype == np.float64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (7, 5)}, r"shape: samples of shape \(3, 3\) are not every 2-th of \(7, 5\)"),
        ({"shape": (6, 5, 1)}, "samples of shape"),
        ({"factor": (2,)}, "samples of shape"),
        ({"factor": 0}, "samples of shape"),
        ({"alignment": "centered"}, "alignment: unknown alignment 'centered'"),
        ({"ends": "periodic"}, "ends: unknown ends 'periodic'"),
        ({"beyond": "cubic"}, "beyond: unknown beyond 'cubic'"),
    ],
)
def test_faults_are_named(changes, message):
    arguments = {"factor": 2, "shape": (6, 5), **changes}
    with pytest.raises(InputError, match=message):
        spline_upsample(np.ones((3, 3)), **arguments)


def test_decimation_and_shape_agree_for_all_lengths():
    for n in range(1, 20):
        for factor in (2, 4):
            assert spline_upsample(np.ones(math.ceil(n / factor)), factor, [n]).shape == (n,)

"""Biharmonic inpainting equals scikit-image's, with one factorisation for all images of a mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.restoration import inpaint_biharmonic as reference

from smrestore.methods import biharmonic
from smrestore.methods.biharmonic import inpaint_biharmonic, inpaint_biharmonic_each
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks.masks import random_mask


def images(n, shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, *shape)) + 1j * rng.normal(size=(n, *shape))


def reference_complex(image, mask):
    return reference(image.real, mask) + 1j * reference(image.imag, mask)


@given(
    shape=st.lists(st.integers(1, 8), min_size=1, max_size=3).map(tuple),
    ratio=st.floats(0.01, 0.95),
    runs=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_equals_scikit_image_on_any_small_grid(shape, ratio, runs, seed):
    mask = random_mask(shape, ratio, np.random.default_rng(seed), runs)
    stack = images(3, shape, seed)
    filled = inpaint_biharmonic(stack, mask)
    assert filled.dtype == stack.dtype
    for image, result in zip(stack, filled, strict=True):
        np.testing.assert_allclose(result, reference_complex(image, mask), atol=1e-9)
        np.testing.assert_array_equal(result[~mask], image[~mask])


@pytest.mark.parametrize("shape", [(17, 15), (17, 15, 1), (13, 11, 12)])
def test_equals_scikit_image_on_smooth_components(shape):
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    image = sum(np.cos(3 * (i + 1) * x + 0.4 * i) for i, x in enumerate(axes)) * np.exp(0.7j)
    for run in range(3):
        mask = random_mask(shape, 0.1, generator(1, "smooth", *shape, run), runs=run + 1)
        expected = reference_complex(image, mask)
        assert np.abs(inpaint_biharmonic(image, mask) - expected).max() < 1e-9
        single = inpaint_biharmonic(image.astype(np.complex64), mask)
        assert single.dtype == np.complex64
        assert np.abs(single - expected).max() < 1e-6


def test_results_stay_within_the_range_of_the_known_voxels_as_in_scikit_image():
    # A slope towards a missing corner is continued only as far as the known values go.
    x, y = np.meshgrid(np.arange(8.0), np.arange(8.0), indexing="ij")
    image, mask = x + y, np.zeros((8, 8), bool)
    mask[4:, 4:] = True
    filled = inpaint_biharmonic(image, mask)
    assert filled.max() == image[~mask].max()
    np.testing.assert_allclose(filled, reference(image, mask), atol=1e-12)


def test_planes_of_volumes_are_2d():
    image, mask = images(1, (9, 7))[0], random_mask((9, 7), 0.3, generator(1))
    flat = inpaint_biharmonic(image, mask)
    for axis in range(3):
        lifted = inpaint_biharmonic(np.expand_dims(image, axis), np.expand_dims(mask, axis))
        np.testing.assert_allclose(lifted.squeeze(axis), flat, atol=1e-12)


def test_what_stands_at_missing_voxels_does_not_matter():
    stack, mask = images(4, (6, 5, 4)), random_mask((6, 5, 4), 0.4, generator(2))
    expected = inpaint_biharmonic(stack, mask)
    stack[:, mask] = np.nan
    np.testing.assert_array_equal(inpaint_biharmonic(stack, mask), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_types_stay_and_inputs_are_not_changed(dtype):
    stack = images(2, (5, 4, 1)).astype(dtype) if np.dtype(dtype).kind == "c" else np.ones((2, 20))
    stack = stack.reshape(2, 5, 4, 1).astype(dtype)
    mask = random_mask((5, 4, 1), 0.3, generator(3))
    before = stack.copy()
    assert inpaint_biharmonic(stack, mask).dtype == dtype
    np.testing.assert_array_equal(stack, before)
    # Images need not be contiguous.
    np.testing.assert_array_equal(
        inpaint_biharmonic(np.asfortranarray(stack), mask), inpaint_biharmonic(stack, mask)
    )


def test_nothing_missing_changes_nothing_and_constants_stay():
    stack = images(2, (4, 3, 2))
    np.testing.assert_array_equal(inpaint_biharmonic(stack, np.zeros((4, 3, 2), bool)), stack)
    mask = random_mask((4, 3, 2), 0.9, generator(4))
    np.testing.assert_allclose(inpaint_biharmonic(np.full((4, 3, 2), 7), mask), 7.0, rtol=1e-12)
    assert inpaint_biharmonic(stack[:0], mask).shape == (0, 4, 3, 2)


@given(angle=st.sampled_from([0.5, 1.0, 1.5]), scale=st.floats(0.01, 100), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_commutes_with_scale_and_quarter_turns(angle, scale, seed):
    """Other turns do not, as the limits are those of real and imaginary part."""
    image, mask = images(1, (6, 5), seed)[0], random_mask((6, 5), 0.3, generator(seed))
    factor = scale * np.round(np.exp(1j * np.pi * angle))
    np.testing.assert_allclose(
        inpaint_biharmonic(image * factor, mask),
        inpaint_biharmonic(image, mask) * factor,
        atol=1e-10 * scale,
    )


def test_one_factorisation_for_all_images_of_a_mask(monkeypatch):
    calls = []
    splu = biharmonic.splu
    monkeypatch.setattr(biharmonic, "splu", lambda *a, **k: calls.append(1) or splu(*a, **k))
    shape = (7, 6, 5)
    stack, mask = images(200, shape), random_mask(shape, 0.2, generator(5))
    filled = inpaint_biharmonic(stack, mask)
    assert len(calls) == 1
    for i in (0, 63, 64, 199):
        np.testing.assert_allclose(filled[i], reference_complex(stack[i], mask), atol=1e-9)
    calls.clear()
    masks = [mask, random_mask(shape, 0.2, generator(6))] * 5
    each = inpaint_biharmonic_each(stack[:10], masks)
    assert len(calls) == 2
    for image, own, result in zip(stack, masks, each, strict=False):
        np.testing.assert_allclose(result, reference_complex(image, own), atol=1e-9)


def test_each_image_may_have_its_grid():
    shapes = [(5, 4, 1), (3, 3, 2), (5, 4, 1)]
    stack = [images(1, shape, i)[0].astype(np.complex64) for i, shape in enumerate(shapes)]
    masks = [random_mask(shape, 0.2, generator(7, i)) for i, shape in enumerate(shapes)]
    for image, mask, result in zip(
        stack, masks, inpaint_biharmonic_each(stack, masks), strict=True
    ):
        assert result.dtype == np.complex64
        np.testing.assert_array_equal(result, inpaint_biharmonic(image, mask))
    assert inpaint_biharmonic_each([], []) == []


def test_faults_are_named():
    stack, mask = images(2, (4, 3, 2)), random_mask((4, 3, 2), 0.2, generator(8))
    with pytest.raises(InputError, match="mask: all voxels are missing"):
        inpaint_biharmonic(stack, np.ones((4, 3, 2), bool))
    with pytest.raises(InputError, match=r"mask: a mask of \(4, 3, 2\) voxels does not fit"):
        inpaint_biharmonic(stack[:, :3], mask)
    with pytest.raises(InputError, match="does not fit"):
        inpaint_biharmonic(stack[np.newaxis], mask)
    with pytest.raises(InputError, match="does not fit"):
        inpaint_biharmonic(stack[0, 0], mask)
    with pytest.raises(InputError, match="mask: the mask is of type int64"):
        inpaint_biharmonic(stack, mask.astype(int))
    with pytest.raises(InputError, match="2 images with 1 masks"):
        inpaint_biharmonic_each(stack, [mask])
    stack[1][~mask] = np.inf
    with pytest.raises(InputError, match="images: known voxels hold NaN or infinity"):
        inpaint_biharmonic(stack, mask)

"""Kaczmarz against its definition, against exact solutions, and against its invariances."""

import numba
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.reconstruction import kaczmarz
from smrestore.support.errors import InputError


def system(seed, rows=9, voxels=6, frames=None):
    """Return a random complex matrix, measurement and positive weights."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, voxels)) + 1j * rng.normal(size=(rows, voxels))
    shape = (rows,) if frames is None else (rows, frames)
    measurement = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return matrix, measurement, rng.uniform(0.2, 2.0, rows)


def transcription(matrix, measurement, regularization, sweeps, weights, real, positive):
    """Return the algorithm written down row by row, with an explicitly weighted system."""
    a, b = weights[:, np.newaxis] * matrix, weights * measurement
    energies = (np.abs(a) ** 2).sum(axis=1)
    c, v = np.zeros(a.shape[1], complex), np.zeros(len(a), complex)
    root = np.sqrt(regularization)
    for _ in range(sweeps):
        for k in np.flatnonzero(energies):
            beta = (b[k] - np.sum(a[k] * c) - root * v[k]) / (energies[k] + regularization)
            c += beta * a[k].conj()
            v[k] += beta * root
        if real:
            c.imag = 0
        if positive:
            c[c.real < 0] = 0
    return c.real


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("regularization", [0.0, 0.7])
def test_equals_its_transcription(real, positive, regularization):
    matrix, measurement, weights = system(1, rows=20, voxels=13)
    result = kaczmarz(
        matrix,
        measurement,
        regularization=regularization,
        sweeps=7,
        weights=weights,
        real=real,
        positive=positive,
    )
    expected = transcription(matrix, measurement, regularization, 7, weights, real, positive)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


def test_complex64_storage_loses_only_the_stored_digits():
    matrix, measurement, weights = system(2, rows=40, voxels=300)
    stored = matrix.astype(np.complex64)
    keywords = {"regularization": 0.5, "sweeps": 5, "weights": weights}
    np.testing.assert_allclose(
        kaczmarz(stored, measurement, **keywords),
        kaczmarz(stored.astype(np.complex128), measurement, **keywords),
        rtol=0,
        atol=1e-12,
    )


def test_converges_to_weighted_tikhonov():
    matrix, measurement, weights = system(3)
    a, b, regularization = weights[:, np.newaxis] * matrix, weights * measurement, 2.0
    normal = a.conj().T @ a + regularization * np.eye(6)
    exact = np.linalg.solve(normal, a.conj().T @ b)
    keywords = {"regularization": regularization, "weights": weights, "sweeps": 3000}
    keywords |= {"real": False, "positive": False}
    np.testing.assert_allclose(
        kaczmarz(matrix, measurement, **keywords), exact.real, rtol=0, atol=1e-10
    )
    # Rotating the measurement by -90 degrees brings the imaginary part of the image to the front.
    np.testing.assert_allclose(
        kaczmarz(matrix, -1j * measurement, **keywords), exact.imag, rtol=0, atol=1e-10
    )


def test_real_constraint_converges_to_stacked_real_tikhonov():
    matrix, measurement, weights = system(4)
    a, b, regularization = weights[:, np.newaxis] * matrix, weights * measurement, 2.0
    stacked, right = np.vstack([a.real, a.imag]), np.concatenate([b.real, b.imag])
    exact = np.linalg.solve(stacked.T @ stacked + regularization * np.eye(6), stacked.T @ right)
    result = kaczmarz(
        matrix,
        measurement,
        regularization=regularization,
        weights=weights,
        sweeps=3000,
        positive=False,
    )
    np.testing.assert_allclose(result, exact, rtol=0, atol=1e-10)


def nonnegative_tikhonov(a, b, regularization):
    """Return the exact minimizer over non-negative images of ||a c - b||^2 + lambda ||c||^2."""
    n_voxels = a.shape[1]
    stacked = np.vstack([a.real, a.imag, np.sqrt(regularization) * np.eye(n_voxels)])
    right = np.concatenate([b.real, b.imag, np.zeros(n_voxels)])
    return scipy.optimize.nnls(stacked, right)[0]


@pytest.mark.parametrize("seed", range(4))
def test_positive_constraint_stops_beside_the_nonnegative_minimizer(seed):
    matrix, _, _ = system(seed, rows=20, voxels=10)
    rng = np.random.default_rng(seed)
    image = rng.uniform(-0.5, 1.0, 10).clip(0)
    measurement = matrix @ image + 0.5 * (rng.normal(size=20) + 1j * rng.normal(size=20))
    exact = nonnegative_tikhonov(matrix, measurement, 5.0)
    assert (exact == 0).any(), "the constraint must matter"
    solver = {"regularization": 5.0, "sweeps": 4000}
    result = kaczmarz(matrix, measurement, **solver)
    # It settles ...
    later = kaczmarz(matrix, measurement, regularization=5.0, sweeps=4001)
    np.testing.assert_allclose(later, result, rtol=0, atol=1e-10)
    assert (result >= 0).all()
    # ... near the minimizer, not on it: the slack is not projected.
    difference = np.linalg.norm(result - exact) / np.linalg.norm(exact)
    assert 1e-6 < difference < 0.1

    def objective(c):
        return np.linalg.norm(matrix @ c - measurement) ** 2 + 5.0 * np.linalg.norm(c) ** 2

    assert objective(exact) < objective(result) < 1.05 * objective(exact)


@pytest.mark.parametrize("regularization", [0.0, 0.7])
def test_order_is_that_of_permuted_rows(regularization):
    matrix, measurement, weights = system(10, rows=20, voxels=13)
    matrix[4] = 0
    order = np.random.default_rng(0).permutation(20)
    keywords = {"regularization": regularization, "sweeps": 3}
    np.testing.assert_array_equal(
        kaczmarz(matrix, measurement, weights=weights, order=order, **keywords),
        kaczmarz(matrix[order], measurement[order], weights=weights[order], **keywords),
    )
    np.testing.assert_array_equal(
        kaczmarz(matrix, measurement, order=np.arange(20), **keywords),
        kaczmarz(matrix, measurement, **keywords),
    )


def test_any_order_converges_to_the_same_tikhonov_solution():
    matrix, measurement, _ = system(11)
    keywords = {"regularization": 2.0, "sweeps": 3000, "positive": False}
    order = np.random.default_rng(1).permutation(9)
    np.testing.assert_allclose(
        kaczmarz(matrix, measurement, order=order, **keywords),
        kaczmarz(matrix, measurement, **keywords),
        rtol=0,
        atol=1e-10,
    )


def test_progress_is_shown_on_demand_and_changes_nothing(caplog, monkeypatch):
    matrix, measurement, _ = system(12)
    monkeypatch.setattr("smrestore.support.progress.LOG_INTERVAL", 0.0)
    caplog.set_level("INFO")
    quiet = kaczmarz(matrix, measurement, regularization=1.0, sweeps=20)
    assert not caplog.messages
    shown = kaczmarz(matrix, measurement, regularization=1.0, sweeps=20, progress=True)
    assert any("Kaczmarz" in line and "20/20" in line for line in caplog.messages)
    np.testing.assert_array_equal(shown, quiet)


def test_consistent_measurement_of_a_positive_image_is_recovered():
    matrix, _, _ = system(5, rows=12, voxels=6)
    image = np.array([0.0, 1.0, 0.5, 0.0, 2.0, 0.1])
    result = kaczmarz(matrix, matrix @ image, regularization=0.0, sweeps=500)
    np.testing.assert_allclose(result, image, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_images_depend_neither_on_threads_nor_on_other_frames(dtype):
    matrix, measurement, weights = system(3, rows=40, voxels=37, frames=5)
    options = {"regularization": 0.3, "sweeps": 4, "weights": weights}
    matrix = matrix.astype(dtype)
    threads = numba.get_num_threads()
    images = []
    try:
        for count in {1, threads}:
            numba.set_num_threads(count)
            images.append(kaczmarz(matrix, measurement, **options))
    finally:
        numba.set_num_threads(threads)
    for other in images[1:]:
        np.testing.assert_array_equal(other, images[0])
    alone = np.stack([kaczmarz(matrix, frame, **options) for frame in measurement.T], axis=1)
    np.testing.assert_allclose(images[0], alone, rtol=1e-9, atol=1e-13)


@given(seed=st.integers(0, 10_000), sweeps=st.integers(1, 5), frames=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_frames_are_independent_and_positive(seed, sweeps, frames):
    matrix, measurement, weights = system(seed, frames=frames)
    keywords = {"regularization": 0.3, "sweeps": sweeps, "weights": weights}
    together = kaczmarz(matrix, measurement, **keywords)
    assert together.shape == (6, frames)
    assert (together >= 0).all()
    for frame in range(frames):
        alone = kaczmarz(matrix, measurement[:, frame], **keywords)
        np.testing.assert_allclose(together[:, frame], alone, rtol=1e-9, atol=1e-13)


@given(
    seed=st.integers(0, 10_000),
    factor=st.floats(1e-6, 1e6),
    regularization=st.floats(0, 10),
)
@settings(max_examples=30, deadline=None)
def test_scaling(seed, factor, regularization):
    matrix, measurement, weights = system(seed)
    reference = kaczmarz(matrix, measurement, regularization=regularization, sweeps=4)
    tolerance = {"rtol": 1e-9, "atol": 1e-12}
    # The image is proportional to the measurement.
    scaled = kaczmarz(matrix, factor * measurement, regularization=regularization, sweeps=4)
    np.testing.assert_allclose(scaled / factor, reference, **tolerance)
    # A change of unit scales matrix, measurement, and lambda by its square.
    other_unit = kaczmarz(
        factor * matrix,
        factor * measurement,
        regularization=factor**2 * regularization,
        sweeps=4,
    )
    np.testing.assert_allclose(other_unit, reference, **tolerance)
    # Without regularization the scale of a row does not matter.
    np.testing.assert_allclose(
        kaczmarz(matrix, measurement, regularization=0, sweeps=4, weights=weights),
        kaczmarz(matrix, measurement, regularization=0, sweeps=4),
        **tolerance,
    )


@pytest.mark.parametrize("regularization", [0.0, 0.5])
def test_zero_rows_are_skipped(regularization):
    matrix, measurement, _ = system(6)
    with_zeros = np.insert(matrix, [0, 4, 9], 0, axis=0)
    with_entries = np.insert(measurement, [0, 4, 9], 5.0)
    np.testing.assert_array_equal(
        kaczmarz(with_zeros, with_entries, regularization=regularization, sweeps=3),
        kaczmarz(matrix, measurement, regularization=regularization, sweeps=3),
    )
    zeros = kaczmarz(0 * matrix, measurement, regularization=regularization, sweeps=3)
    np.testing.assert_array_equal(zeros, 0)


def test_memory_layout_does_not_matter():
    matrix, measurement, _ = system(7, frames=3)
    np.testing.assert_array_equal(
        kaczmarz(matrix.T.copy().T, np.asfortranarray(measurement), regularization=1, sweeps=2),
        kaczmarz(matrix, measurement, regularization=1, sweeps=2),
    )


def test_inputs_stay_as_they_were():
    matrix, measurement, weights = system(8)
    copies = matrix.copy(), measurement.copy(), weights.copy()
    kaczmarz(matrix, measurement, regularization=1, sweeps=2, weights=weights)
    for array, copy in zip((matrix, measurement, weights), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def spoiled(array, value):
    """Return a copy with one entry replaced."""
    array = array.copy()
    array.flat[3] = value
    return array


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("matrix", lambda m, u, w: {"matrix": m[0]}),
        ("matrix", lambda m, u, w: {"matrix": m[:0], "measurement": u[:0], "weights": w[:0]}),
        ("matrix", lambda m, u, w: {"matrix": spoiled(m, np.nan)}),
        ("matrix", lambda m, u, w: {"matrix": spoiled(m, complex(0, np.inf))}),
        ("measurement", lambda m, u, w: {"measurement": u[:-1]}),
        ("measurement", lambda m, u, w: {"measurement": u[:, np.newaxis][:, :0]}),
        ("measurement", lambda m, u, w: {"measurement": spoiled(u, np.nan)}),
        ("weights", lambda m, u, w: {"weights": w[:-1]}),
        ("weights", lambda m, u, w: {"weights": spoiled(w, -1.0)}),
        ("regularization", lambda m, u, w: {"regularization": -1e-3}),
        ("regularization", lambda m, u, w: {"regularization": np.nan}),
        ("sweeps", lambda m, u, w: {"sweeps": 0}),
        ("order", lambda m, u, w: {"order": np.arange(8)}),
        ("order", lambda m, u, w: {"order": np.zeros(9, int)}),
        ("order", lambda m, u, w: {"order": np.linspace(0, 8, 9)}),
    ],
)
def test_bad_input_is_named(field, change):
    matrix, measurement, weights = system(9)
    arguments = {"matrix": matrix, "measurement": measurement, "weights": weights}
    arguments |= {"regularization": 0.1, "sweeps": 2} | change(matrix, measurement, weights)
    with pytest.raises(InputError) as caught:
        kaczmarz(arguments.pop("matrix"), arguments.pop("measurement"), **arguments)
    assert caught.value.field == field
    assert caught.value.remedy

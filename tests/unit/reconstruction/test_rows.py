"""Row selection, row weights, the regularization convention, and all of it together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smrestore.physics.mixing import UNREACHED
from smrestore.reconstruction import (
    ReconstructionSettings,
    absolute_regularization,
    kaczmarz,
    reconstruct,
    relative_regularization,
    row_energies,
    row_weights,
    select_rows,
    solve,
)
from smrestore.support.errors import InputError

SNR = np.array([[5.0, 2.0, 0.5, 3.0], [9.0, 1.9, 2.0, np.nan], [2.0, 2.0, 2.0, 2.0]])
FREQUENCIES = np.array([0.0, 10e3, 80e3, 90e3])
ORDERS = np.array([[0, 0, 0], [1, -1, 0], [2, 0, -2], [0, 3, 0]])


def test_rows_come_channel_after_channel_with_inclusive_limits():
    rows = select_rows(SNR, FREQUENCIES, snr_threshold=2, channels=(1, 0))
    assert rows.tolist() == [[1, 0], [1, 2], [0, 0], [0, 1], [0, 3]]
    band = select_rows(
        SNR,
        FREQUENCIES,
        snr_threshold=2,
        channels=(0, 1, 2),
        min_frequency=10e3,
        max_frequency=80e3,
    )
    assert band.tolist() == [[0, 1], [1, 2], [2, 1], [2, 2]]


def test_threshold_zero_keeps_every_row():
    rows = select_rows(SNR, FREQUENCIES, snr_threshold=0, channels=(0, 1, 2))
    assert len(rows) == SNR.size


def test_mixing_order_is_the_sum_of_magnitudes():
    rows = select_rows(
        SNR,
        FREQUENCIES,
        snr_threshold=0,
        channels=(2,),
        max_mixing_order=3,
        mixing_order=ORDERS,
    )
    assert rows.tolist() == [[2, 0], [2, 1], [2, 3]]
    unreached = np.where([[False], [True], [False], [False]], UNREACHED, ORDERS)
    rows = select_rows(
        SNR, FREQUENCIES, snr_threshold=0, channels=(2,), max_mixing_order=3,
        mixing_order=unreached,
    )  # fmt: skip
    assert rows.tolist() == [[2, 0], [2, 3]]


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("snr_threshold", {"snr_threshold": 100}),
        ("snr_threshold", {"min_frequency": 1e6}),
        ("channels", {"channels": (0, 3)}),
        ("channels", {"channels": (-1,)}),
        ("channels", {"channels": (0, 0)}),
        ("mixing_order", {"max_mixing_order": 3}),
        ("snr", {"frequencies": FREQUENCIES[:-1]}),
    ],
)
def test_a_bad_selection_names_its_field(field, arguments):
    arguments = {
        "frequencies": FREQUENCIES,
        "snr_threshold": 1,
        "channels": (0, 1, 2),
    } | arguments
    with pytest.raises(InputError) as caught:
        select_rows(SNR, **arguments)
    assert caught.value.field == field
    assert caught.value.remedy


def matrix_rows(seed=0, rows=4, voxels=50):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, voxels)) + 1j * rng.normal(size=(rows, voxels))


def test_weights():
    rows = matrix_rows()
    rows[2] = 0
    assert row_weights("none", rows).tolist() == [1, 1, 1, 1]
    norms = row_weights("row-norm", rows)
    weighted = np.linalg.norm(norms[:, np.newaxis] * rows, axis=1)
    np.testing.assert_allclose(weighted, [1, 1, 0, 1], rtol=1e-14)
    sigma = np.array([0.5, 2.0, 1.0, 0.25])
    assert row_weights("whitening", rows, sigma).tolist() == [0.5, 0.125, 0.25, 1.0]


@pytest.mark.parametrize(
    "sigma", [None, np.ones(3), np.array([1, 0, 1, 1.0]), np.array([1, np.nan, 1, 1])]
)
def test_whitening_needs_a_background(sigma):
    with pytest.raises(InputError, match="background_std"):
        row_weights("whitening", matrix_rows(), sigma)


def test_unknown_weighting_lists_the_known_ones():
    with pytest.raises(InputError, match="whitening"):
        row_weights("energy", matrix_rows())


def test_energies_are_summed_in_float64():
    rows = np.full((1, 200_000), 1e3 + 1e-3j, dtype=np.complex64)
    exact = 200_000 * (1e6 + float(np.float32(1e-3)) ** 2)
    np.testing.assert_allclose(row_energies(rows), exact, rtol=1e-13)


def test_regularization_is_relative_to_the_mean_eigenvalue():
    rows, weights = matrix_rows(), np.array([1.0, 0.5, 2.0, 0.0])
    weighted = weights[:, np.newaxis] * rows
    found = absolute_regularization(0.1, rows, weights)
    eigenvalues = np.linalg.eigvalsh(weighted.conj().T @ weighted)
    assert found.absolute == pytest.approx(0.1 * eigenvalues.mean(), rel=1e-12)
    assert (found.relative, found.rows, found.voxels) == (0.1, 4, 50)
    assert found.squared_norm == pytest.approx(np.linalg.norm(weighted) ** 2, rel=1e-12)


@pytest.mark.parametrize("relative", [-0.1, np.nan, np.inf])
def test_relative_regularization_out_of_range(relative):
    with pytest.raises(InputError, match="relative_regularization"):
        absolute_regularization(relative, matrix_rows(), np.ones(4))


@given(relative=st.floats(1e-6, 1e3), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_both_conventions_state_the_same_regularization(relative, seed):
    rows, weights = matrix_rows(seed), np.array([1.0, 0.5, 2.0, 0.0])
    there = absolute_regularization(relative, rows, weights)
    back = relative_regularization(there.absolute, rows, weights)
    assert back.relative == pytest.approx(relative, rel=1e-12)
    assert (back.absolute, back.rows, back.voxels) == (there.absolute, 4, 50)
    assert back.squared_norm == there.squared_norm


def test_absolute_regularization_out_of_range_or_of_nothing():
    with pytest.raises(InputError, match="absolute_regularization"):
        relative_regularization(-1.0, matrix_rows(), np.ones(4))
    with pytest.raises(InputError, match="weighted system matrix is zero"):
        relative_regularization(1.0, matrix_rows(), np.zeros(4))


@pytest.mark.parametrize("values", [(None, None), (0.1, 0.1)])
def test_settings_take_one_convention(values):
    relative, absolute = values
    with pytest.raises(InputError, match="relative_regularization: "):
        ReconstructionSettings.checked(
            {
                "sweeps": 1,
                "relative_regularization": relative,
                "snr_threshold": 0.0,
                "channels": (0,),
                "absolute_regularization": absolute,
            }
        )


SIZE = (4, 3, 2)


def scan(seed):
    """Return a system matrix, the image in the scanner, its spectrum, SNR and background."""
    rng = np.random.default_rng(seed)
    shape = (2, 40, *SIZE)
    matrix = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    image = rng.uniform(0, 1, SIZE)
    measurement = np.tensordot(matrix, image, axes=3)
    return matrix, image, measurement, rng.uniform(1, 5, (2, 40)), rng.uniform(0.1, 1, (2, 40))


@pytest.mark.parametrize("weighting", ["none", "row-norm", "whitening"])
def test_reconstruction_finds_the_image_voxel_by_voxel(weighting):
    matrix, image, measurement, snr, sigma = scan(1)
    choice = ReconstructionSettings(
        sweeps=300,
        relative_regularization=0.0,
        snr_threshold=2,
        channels=(0, 1),
        weighting=weighting,
        min_frequency_Hz=3.0,
    )
    rows = choice.select_rows(snr, np.arange(40.0))
    assert rows[:, 1].min() >= 3
    restored, regularization = reconstruct(matrix, measurement, rows, choice, sigma)
    np.testing.assert_allclose(restored, image, rtol=0, atol=1e-8)
    assert regularization.voxels == image.size
    assert regularization.rows == len(rows)


def test_reconstruction_is_kaczmarz_on_the_chosen_rows():
    matrix, _, measurement, _, sigma = scan(2)
    choice = ReconstructionSettings(
        sweeps=3,
        relative_regularization=0.1,
        snr_threshold=0,
        channels=(0,),
        weighting="whitening",
        positive=False,
    )
    rows = np.array([[1, 5], [0, 7], [0, 2]])
    restored, regularization = reconstruct(matrix, measurement, rows, choice, sigma)
    chosen = np.stack([matrix[1, 5].ravel(), matrix[0, 7].ravel(), matrix[0, 2].ravel()])
    noise = np.array([sigma[1, 5], sigma[0, 7], sigma[0, 2]])
    weights = noise.min() / noise
    absolute = 0.1 * np.linalg.norm(weights[:, np.newaxis] * chosen) ** 2 / 24
    assert regularization.absolute == pytest.approx(absolute, rel=1e-12)
    expected = kaczmarz(
        chosen,
        np.array([measurement[1, 5], measurement[0, 7], measurement[0, 2]]),
        regularization=absolute,
        sweeps=3,
        weights=weights,
        positive=False,
    )
    np.testing.assert_allclose(restored, expected.reshape(SIZE), rtol=0, atol=1e-12)


CHOICE = ReconstructionSettings(
    sweeps=3, relative_regularization=0.1, snr_threshold=0, channels=(0, 1)
)


def test_settings_in_either_convention_give_the_same_images():
    matrix, _, measurement, _, _ = scan(5)
    rows, spectra, weights = matrix[0], measurement[0], np.ones(40)
    images, relative = solve(rows, spectra, CHOICE, weights)
    absolute = CHOICE.replace(
        relative_regularization=None, absolute_regularization=relative.absolute
    )
    again, regularization = solve(rows, spectra, absolute, weights)
    np.testing.assert_array_equal(again, images)
    assert regularization.relative == pytest.approx(0.1, rel=1e-12)


def test_frames_are_solved_together_as_alone():
    matrix, _, _, _, _ = scan(6)
    rng = np.random.default_rng(0)
    spectra = rng.normal(size=(40, 3)) + 1j * rng.normal(size=(40, 3))
    images, _ = solve(matrix[0], spectra, CHOICE, np.ones(40))
    assert images.shape == (3, *SIZE)
    for frame in range(3):
        alone, _ = solve(matrix[0], spectra[:, frame], CHOICE, np.ones(40))
        # Sums over several frames add in another order.
        np.testing.assert_allclose(images[frame], alone[0], rtol=1e-12, atol=1e-15)


def test_shuffled_rows_depend_on_the_seed_alone():
    matrix, _, measurement, _, _ = scan(7)
    plain, one, same, other = (
        solve(
            matrix[0],
            measurement[0],
            CHOICE.replace(shuffle_seed=seed),
            np.ones(40),
        )[0]
        for seed in (None, 1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, plain)
    assert not np.allclose(one, other)


@given(unit=st.floats(1e-9, 1e9), weighting=st.sampled_from(["none", "row-norm", "whitening"]))
@settings(max_examples=20, deadline=None)
def test_relative_regularization_makes_units_irrelevant(unit, weighting):
    matrix, _, measurement, _, sigma = scan(3)
    choice = ReconstructionSettings(
        sweeps=2,
        relative_regularization=0.05,
        snr_threshold=0,
        channels=(0, 1),
        weighting=weighting,
    )
    rows = choice.select_rows(sigma, np.arange(40.0))
    reference, _ = reconstruct(matrix, measurement, rows, choice, sigma)
    other, _ = reconstruct(unit * matrix, unit * measurement, rows, choice, unit * sigma)
    np.testing.assert_allclose(other, reference, rtol=1e-9, atol=1e-12)


def test_measurement_of_another_sequence_is_refused():
    matrix, _, measurement, _, _ = scan(4)
    choice = ReconstructionSettings(
        sweeps=1, relative_regularization=0.1, snr_threshold=0, channels=(0,)
    )
    with pytest.raises(InputError, match="same sequence"):
        reconstruct(matrix, measurement[:, :-1], np.array([[0, 1]]), choice)

"""Each effect of the virtual scanner against a simple calculation of its own."""

import dataclasses

import h5py
import numpy as np
import pytest
from tiny_scanner import SCANNER, SEED

from smrestore import mdf
from smrestore.physics import (
    CalibrationGrid,
    Components,
    LocalFields,
    Particle,
    Sequence,
    Simulation,
    component_values,
    make_plan,
    mean_moment,
    mixing_orders,
    total_order,
)
from smrestore.physics.dynamics import Rotation
from smrestore.scanner import (
    Phantom,
    load_scanner,
    repeat_calibration,
    scan_calibration,
    scan_empty,
    scan_phantom,
)
from smrestore.scanner.calibrations import ATTENUATION, Corruption, calibration_path
from smrestore.scanner.fields import AMPLITUDES, POTENTIALS, FieldSettings
from smrestore.scanner.phantoms import Box
from smrestore.scanner.recording import sorted_places, stored_frequencies
from smrestore.scanner.signal import DeltaSample, SecondMode, SignalModel
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator

PLANE = Sequence((0.012, 0.011, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
SPACE = Sequence((0.012, 0.011, 0.010), (-1.0, -1.0, 2.0), (12, 10, 11), sampling_rate=2.5e6)
"""A 3D cycle of 660 samples."""
GRID = CalibrationGrid((4, 3, 2), (0.016, 0.012, 0.004), (0.001, 0.0, 0.0))
POINT = DeltaSample((0.0, 0.0, 0.0))
IMPERFECT = FieldSettings(0.03, 0.04, 0.02)
SILENCE = {"thermal_noise_mV": 0.0, "feedthrough_mV": 0.0, "drift": 0.0, "jump_rate": 0.0}


def scanner(size_mm=2.0, points=2, deviation=0.03, **background):
    return load_scanner(
        "tiny",
        {
            **SCANNER,
            "tracer": {**SCANNER["tracer"], "core_sizes": 3},
            "delta_sample": {
                **SCANNER["delta_sample"],
                "size_mm": [size_mm] * 3,
                "points": points,
            },
            "fields": {
                **SCANNER["fields"],
                "selection_deviation": deviation,
                "drive_deviation": deviation,
            },
            "background": {**SCANNER["background"], **background},
            "full_scale_V": 20.0,
        },
    )


def model(sequence=PLANE, grid=GRID, sample=POINT, fields=None, **changes):
    virtual = scanner()
    return SignalModel(
        dataclasses.replace(virtual.tracer, **changes),
        virtual.channels,
        sample,
        sequence,
        grid,
        fields,
    )


# local fields


def sampled_spectrum(particle, sequence, static, scale):
    """Return i S at one position by quadrature in time, (3, K), with no code of the spectrum."""
    field = particle.beta * (
        static[:, None] + scale[:, None] * sequence.drive_field(sequence.n_samples)
    )
    axis = np.array(particle.easy_axis)
    along = axis @ field
    across = field - np.outer(axis, along)
    size = np.linalg.norm(across, axis=0)
    parallel, perpendicular = mean_moment(particle.alpha, along, size)
    moment = np.outer(axis, parallel) + across * (perpendicular / np.maximum(size, 1e-300))
    spectrum = np.fft.rfft(moment, axis=1) / sequence.n_samples
    return 2 * np.pi * sequence.frequencies * spectrum


@pytest.mark.parametrize("sequence", [PLANE, SPACE], ids=["2D", "3D"])
@pytest.mark.parametrize("transform", ["torus", "time"])
def test_local_fields_are_those_of_the_moment(sequence, transform):
    particle = Particle(19e-9, 2000.0, "immobilized", easy_axis=(0.6, 0.0, 0.8))
    simulation = Simulation(particle, sequence, GRID)
    rng = np.random.default_rng(1)
    fields = LocalFields(rng.normal(0, 0.006, (3, 3)), rng.uniform(0.8, 1.2, (3, 3)))
    values = component_values(
        simulation, Components.all_of(simulation), np.zeros((3, 3)), fields=fields,
        transform=transform,
    )  # fmt: skip
    for row, static, scale in zip(values, fields.static_field, fields.drive_scale, strict=True):
        expected = sampled_spectrum(particle, sequence, static, scale).real.ravel()
        np.testing.assert_allclose(row, expected, atol=1e-8 * np.abs(expected).max())


def test_ideal_local_fields_change_nothing():
    simulation = Simulation(Particle(20e-9, 1500.0), PLANE, GRID)
    components = Components.all_of(simulation)
    positions = GRID.positions().reshape(-1, 3)
    ideal = LocalFields(PLANE.static_field(positions), np.ones_like(positions))
    without = component_values(simulation, components, transform="torus")
    with_fields = component_values(
        simulation, components, positions, fields=ideal, transform="torus"
    )
    np.testing.assert_allclose(with_fields, without, atol=1e-12 * np.abs(without).max())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (LocalFields(np.zeros((2, 3)), np.ones((3, 3))), "static_field: shape .2, 3. for 3"),
        (LocalFields(np.zeros((3, 3)), np.ones(3)), "drive_scale: shape .3,. for 3"),
        (LocalFields(np.zeros((3, 3)), np.zeros((3, 3))), "drive_scale: factor 0"),
    ],
)
def test_wrong_local_fields_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        make_plan(Simulation(Particle(20e-9), PLANE, GRID), np.zeros((3, 3)), fields=fields)


# field imperfection


def draw(settings=IMPERFECT, seed=SEED):
    return settings.draw(generator(seed, "fields", "tiny"))


def sphere(radius, count=20_000):
    points = np.random.default_rng(3).normal(size=(count, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


def test_fields_deviate_as_much_as_the_settings_say():
    points = sphere(IMPERFECT.radius)
    local = draw().at(points, PLANE)
    ideal = PLANE.static_field(points)
    deviation = ((local.static_field - ideal) ** 2).sum() / (ideal**2).sum()
    assert np.sqrt(deviation) == pytest.approx(0.03, rel=0.03)
    spread = np.sqrt(np.mean((local.drive_scale - 1) ** 2, axis=0))
    assert spread == pytest.approx([0.04] * 3, rel=0.03)


def test_center_keeps_its_fields_and_ideal_scanners_have_none():
    local = draw().at(np.zeros((1, 3)), SPACE)
    np.testing.assert_allclose(local.static_field, 0, atol=1e-15)
    np.testing.assert_allclose(local.drive_scale, 1)
    assert draw(FieldSettings(0.0, 0.0, 0.02)) is None


def test_fields_obey_the_equations_of_free_space():
    h = 1e-4
    center = np.array([0.007, -0.004, 0.003])
    steps = h * np.eye(3)

    def at(points):
        local = draw().at(points, PLANE)
        return np.concatenate([local.static_field, local.drive_scale], axis=1)

    forward, backward, here = at(center + steps), at(center - steps), at(center[None])[0]
    jacobian = (forward - backward)[:, :3] / (2 * h)
    ideal = np.diag(PLANE.gradient)
    assert np.abs(jacobian - ideal).max() > 1e-3
    # No curl and no divergence: symmetric and traceless.
    np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-9)
    assert np.trace(jacobian) == pytest.approx(np.trace(ideal), abs=1e-9)
    laplacian = (forward + backward - 2 * here).sum(axis=0)[3:] / h**2
    curvature = np.abs(forward + backward - 2 * here)[:, 3:].max(axis=0) / h**2
    assert np.all(np.abs(laplacian) < 1e-4 * curvature + 1e-6)


def test_fields_come_from_seed_and_scanner():
    np.testing.assert_array_equal(draw().selection, draw().selection)
    assert np.abs(draw().selection - draw(seed=SEED + 1).selection).max() > 1e-3
    assert draw().selection.shape == (len(POTENTIALS),)
    assert draw().drive.shape == (3, len(AMPLITUDES))


def test_reversed_drive_field_is_an_error():
    with pytest.raises(InputError, match="fields: a drive field is reversed at 346 mm"):
        draw().at(np.array([[0.2, 0.2, 0.2], [-0.2, -0.2, -0.2]]), PLANE)


def test_spectra_of_imperfect_fields_are_those_of_the_local_fields():
    fields = draw()
    positions = GRID.positions().reshape(-1, 3)[::7]
    values = model(fields=fields).at_points(positions)
    local = fields.at(positions, PLANE)
    ideal = model()
    # A deviation of the selection field is a shift of the position.
    moved = local.static_field / np.array(PLANE.gradient)
    only_selection = dataclasses.replace(fields, drive=np.zeros((3, 8)))
    np.testing.assert_allclose(
        model(fields=only_selection).at_points(positions),
        ideal.at_points(moved),
        atol=1e-8 * np.abs(values).max(),
    )
    change = np.linalg.norm(values - ideal.at_points(moved)) / np.linalg.norm(values)
    assert 1e-3 < change < 0.2


# delta sample


def test_sample_is_a_cuboid_of_unit_weight():
    points, weights = DeltaSample((0.002, 0.004, 0.0), 3).quadrature()
    assert weights.sum() == pytest.approx(1)
    assert points.shape == (9, 3)
    # Second moments of a uniform cuboid are edge^2 / 12.
    moments = weights @ points**2
    np.testing.assert_allclose(moments, [0.002**2 / 12, 0.004**2 / 12, 0], atol=1e-18)
    np.testing.assert_allclose(weights @ points, 0, atol=1e-18)
    only_z, _ = DeltaSample((0.002,) * 3, 2).quadrature((False, False, True))
    assert np.abs(only_z).max(axis=0).tolist() == [0, 0, pytest.approx(0.001 / np.sqrt(3))]


def test_sample_is_the_mean_over_many_points_and_converges():
    size = (0.002, 0.002, 0.002)
    position = np.array([[0.005, -0.003, 0.0005]])
    fine = CalibrationGrid((12, 12, 12), size, tuple(position[0]))
    expected = model().at_points(fine.positions().reshape(-1, 3)).mean(axis=0)
    strength = np.linalg.norm(expected)
    errors = [
        np.linalg.norm(model(sample=DeltaSample(size, points)).of_samples(position)[0] - expected)
        / strength
        for points in (1, 2, 3, 4)
    ]
    point = np.linalg.norm(model().at_points(position)[0] - expected) / strength
    assert errors[0] == pytest.approx(point)
    # What remains is the error of the midpoint rule.
    assert errors[0] > 0.02
    assert errors[1] < 0.2 * errors[0]
    assert errors[3] < 1e-2 * errors[0]
    four, three = (
        model(sample=DeltaSample(size, points)).of_samples(position) for points in (4, 3)
    )
    assert np.linalg.norm(four - three) / strength < 1e-3


# tracer


def test_spectrum_is_the_sum_over_core_sizes_with_debye_relaxation():
    wanted = model()
    position = np.array([[0.004, 0.001, 0.0]])
    values = wanted.at_points(position)[0]
    f = PLANE.frequencies
    expected = 0
    for particle, share in wanted.tracer.fractions():
        still = dataclasses.replace(particle, relaxation_time=0.0)
        simulation = Simulation(still, PLANE, GRID)
        spectrum = -1j * component_values(simulation, Components.all_of(simulation), position)[0]
        debye = 1 / (1 + 2j * np.pi * f * particle.relaxation_time)
        expected = expected + share * spectrum.reshape(3, -1) * debye
    for c, channel in enumerate(wanted.channels):
        x = f / channel.resonance
        chain = channel.sensitivity / (1 - x**2 + 1j * x / channel.quality)
        expected[c] *= PLANE.n_samples * chain * np.exp(-2j * np.pi * f * channel.delay)
    expected[:, -1] = expected[:, -1].real
    np.testing.assert_allclose(values, expected, atol=1e-12 * np.abs(expected).max())


# streaming


def test_streaming_equals_the_whole(monkeypatch):
    virtual = model(SPACE, sample=DeltaSample((0.002,) * 3, 2), fields=draw())
    chosen = dataclasses.replace(virtual, frequencies=np.array([0, 7, 60, 61, 330]))
    positions = GRID.positions().reshape(-1, 3)
    whole = virtual.of_samples(positions)
    amounts = np.linspace(0, 1, len(positions))
    phantom = virtual.of_tracer(positions, amounts)
    monkeypatch.setattr("smrestore.scanner.signal.BLOCK_BYTES", 1)
    largest = np.abs(whole).max()
    np.testing.assert_allclose(virtual.of_samples(positions), whole, atol=1e-9 * largest)
    np.testing.assert_allclose(
        chosen.of_samples(positions), whole[:, :, chosen.frequencies], atol=1e-9 * largest
    )
    np.testing.assert_allclose(
        virtual.of_tracer(positions, amounts), phantom, atol=1e-9 * np.abs(phantom).max()
    )


def calibrate(folder, name="scan", virtual=None, sequence=SPACE, **options):
    paths = folder / f"{name}.mdf", folder / f"{name}.truth.h5"
    options = {"averages": 10, "seed": SEED, **options}
    scan_calibration(*paths, virtual or scanner(), sequence, GRID, **options)
    return paths


def read_truth(path):
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file}


@pytest.mark.parametrize("max_mixing_order", [None, 4])
def test_blocks_of_frames_do_not_matter(tmp_path, monkeypatch, max_mixing_order):
    options = {"max_mixing_order": max_mixing_order, "meandering": True}
    whole = calibrate(tmp_path / "whole", **options)
    assert (tmp_path / "whole/scan.mdf").stat().st_size < 2e6
    again = calibrate(tmp_path / "again", **options)
    assert whole[0].read_bytes() == again[0].read_bytes()
    monkeypatch.setattr("smrestore.scanner.recording.LARGEST_BLOCK", 3)
    parts = calibrate(tmp_path / "parts", **options)
    one, other = (mdf.read_system_matrix(path) for path, _ in (whole, parts))
    step = 20.0 / 2**15 / 10
    np.testing.assert_allclose(other, one, atol=4 * step * np.sqrt(SPACE.n_samples))
    one, other = (read_truth(path)["system_matrix"] for _, path in (whole, parts))
    np.testing.assert_allclose(other, one, atol=1e-6 * np.abs(one).max())


# storage in the frequency domain


@pytest.mark.parametrize("meandering", [False, True])
@pytest.mark.parametrize("max_mixing_order", [None, 5])
def test_stored_matrix_is_the_truth(tmp_path, meandering, max_mixing_order):
    virtual = scanner(**SILENCE)
    path, truth_path = calibrate(
        tmp_path, virtual=virtual, averages=10_000, meandering=meandering,
        max_mixing_order=max_mixing_order,
    )  # fmt: skip
    truth = read_truth(truth_path)
    matrix = mdf.read_system_matrix(path)
    assert matrix.shape == truth["system_matrix"].shape
    step = 20.0 / 2**15 / 10_000
    error, largest = np.abs(matrix - truth["system_matrix"]).max(), np.abs(matrix).max()
    assert error < 6 * step * np.sqrt(SPACE.n_samples) + 1e-6 * largest
    assert np.abs(matrix).max() > 1e4 * step
    with mdf.open_mdf(path) as file:
        np.testing.assert_array_equal(file.frequency_indices, truth["frequency"])
        assert file.calibration.is_meandering == meandering
        assert file.calibration.delta_sample_size == pytest.approx((0.002,) * 3)
        acquired = file.is_background[np.argsort(file.acquisition_index)]
    assert acquired.tolist() == ([True] + [False] * 4) * 6 + [True]
    whole = scanner(**SILENCE).signal_model(SPACE, GRID, seed=SEED)
    expected = whole.of_samples(GRID.positions().reshape(-1, 3))[:, :, truth["frequency"]]
    expected = expected.transpose(1, 2, 0).reshape(matrix.shape)
    np.testing.assert_allclose(truth["system_matrix"], expected, atol=1e-6 * np.abs(expected).max())


def test_selected_frequencies_are_those_up_to_the_mixing_order(tmp_path):
    chosen = stored_frequencies(SPACE, 3)
    order = total_order(mixing_orders(SPACE))
    assert set(order[chosen]) == {0, 1, 2, 3}
    rest = np.delete(order, chosen)
    assert ((rest > 3) | (rest == -1)).all()
    assert stored_frequencies(SPACE, None) is None
    path, _ = calibrate(tmp_path, max_mixing_order=3)
    with h5py.File(path) as file:
        assert file["/measurement/frequencySelection"][()].tolist() == (chosen + 1).tolist()
        assert file["/measurement/data"].shape == (1, 3, len(chosen), 24 + 7)
        assert file["/measurement/data"].chunks is None


def test_path_and_sorted_places_agree():
    for meandering in (False, True):
        course = calibration_path(GRID, meandering=meandering)
        calibration = mdf.Calibration("robot", GRID.size, GRID.fov, is_meandering=meandering)
        place = sorted_places(course.visit, calibration)
        assert sorted(place) == list(range(len(place)))
        for frame, visit in enumerate(course.visit):
            if visit >= 0:
                ix, iy, iz = np.unravel_index(course.voxel[visit], GRID.size)
                assert place[frame] == ix + 4 * (iy + 3 * iz)
    neighbors = np.stack(np.unravel_index(course.voxel, GRID.size), axis=1)
    # The robot of a meandering scan never jumps.
    assert (np.abs(np.diff(neighbors, axis=0)).sum(axis=1) == 1).all()


def test_noise_of_stored_spectra_is_that_of_time_signals(tmp_path):
    virtual = scanner(drift=0.0, jump_rate=0.0)
    frames = 400
    scan_empty(tmp_path / "time.mdf", virtual, SPACE, frames=frames, seed=SEED)
    scan_empty(
        tmp_path / "spectra.mdf", virtual, SPACE, frames=frames, seed=SEED, max_mixing_order=100
    )
    levels, energies, chosen = [], [], stored_frequencies(SPACE, 100)
    assert {0, SPACE.n_frequencies - 1} <= set(chosen)
    for name in ("time", "spectra"):
        spectra = mdf.read_spectra(tmp_path / f"{name}.mdf", frequencies=chosen)
        levels.append(spectra.mean(axis=0))
        energies.append(np.mean(np.abs(spectra - levels[-1]) ** 2, axis=0))
    thermal = virtual.background.thermal_noise**2 * SPACE.n_samples
    np.testing.assert_allclose([e.mean() for e in energies], thermal, rtol=0.01)
    np.testing.assert_allclose(energies, thermal, rtol=0.5)
    # The constant background belongs to the scanner.
    assert np.abs(levels[0] - levels[1]).max() < 6 * np.sqrt(2 * thermal / frames)
    with h5py.File(tmp_path / "spectra.mdf") as file:
        data = file["/measurement/data"][()]
    assert data.shape == (frames, 1, 3, len(chosen))
    assert not data[..., 0].imag.any()
    assert not data[..., -1].imag.any()


def test_phantom_of_stored_frequencies_is_that_of_time_signals(tmp_path):
    phantom = Phantom((Box((0.003, 0.0, 0.0), (0.004, 0.004, 0.002)),))
    spectra = {}
    for name, order in (("time", None), ("spectra", 4)):
        paths = tmp_path / f"{name}.mdf", tmp_path / f"{name}.h5"
        scan_phantom(
            *paths, scanner(**SILENCE), SPACE, GRID, phantom,
            frames=2, background_frames=1, averages=10_000, seed=SEED, max_mixing_order=order,
        )  # fmt: skip
        with mdf.open_mdf(paths[0]) as file:
            assert file.is_background.tolist() == [True, False, False]
        frequencies = stored_frequencies(SPACE, 4)
        spectra[name] = mdf.read_spectra(paths[0], frequencies=frequencies)[1:]
    step = 20.0 / 2**15 / 10_000
    difference = np.abs(spectra["time"] - spectra["spectra"]).max()
    assert difference < 12 * step * np.sqrt(SPACE.n_samples)
    assert np.abs(spectra["time"]).max() > 1e4 * step


def test_tracer_across_the_plane_reaches_as_far_as_the_sample():
    grid = CalibrationGrid((3, 3, 1), (0.012, 0.012, 0.0))
    virtual = model(grid=grid, sample=DeltaSample((0.002, 0.002, 0.006), 5))
    position = np.array([[0.004, 0.0, 0.0]])
    along_z = np.array([[0.004, 0.0, 0.006 * (z - 49.5) / 100] for z in range(100)])
    expected = virtual.at_points(along_z).mean(axis=0)
    measured = virtual.of_tracer(position, np.array([2.0]))
    error = np.linalg.norm(measured - 2 * expected) / np.linalg.norm(measured)
    assert error < 1e-3
    point = 2 * virtual.at_points(position)[0]
    assert np.linalg.norm(measured - point) > 0.02 * np.linalg.norm(point)


# corrupted positions


@pytest.mark.parametrize("kind", ["stuck", "attenuated"])
@pytest.mark.parametrize("meandering", [False, True])
def test_corrupted_run_is_wrong_and_its_voxels_are_kept(tmp_path, kind, meandering):
    virtual = scanner(**SILENCE)
    run = Corruption(kind, 6, 9)
    options = {"averages": 10_000, "meandering": meandering, "max_mixing_order": 4}
    path, truth_path = calibrate(tmp_path, virtual=virtual, corruption=run, **options)
    truth, matrix = read_truth(truth_path), mdf.read_system_matrix(path)
    course = calibration_path(GRID, meandering=meandering).voxel
    voxels = np.stack(np.unravel_index(course, GRID.size), axis=1)
    np.testing.assert_array_equal(truth["corrupted"], voxels[6:15])
    scale = np.abs(matrix).max()
    for visit, voxel in enumerate(voxels):
        measured = matrix[(slice(None), slice(None), *voxel)]
        right = truth["system_matrix"][(slice(None), slice(None), *voxel)]
        wrong = 6 <= visit < 15
        if wrong and kind == "stuck":
            held = truth["system_matrix"][(slice(None), slice(None), *voxels[5])]
            np.testing.assert_allclose(measured, held, atol=1e-5 * scale)
        elif wrong:
            np.testing.assert_allclose(measured, ATTENUATION * right, atol=1e-5 * scale)
        else:
            np.testing.assert_allclose(measured, right, atol=1e-5 * scale)
        if wrong:
            assert np.abs(measured - right).max() > 1e-3 * scale
    sound = calibrate(tmp_path, "sound", virtual=virtual, **options)
    assert read_truth(sound[1])["corrupted"].shape == (0, 3)
    np.testing.assert_array_equal(read_truth(sound[1])["system_matrix"], truth["system_matrix"])


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (Corruption("stuck", 0, 3), "a run of 3 positions from number 0 on does not lie within"),
        (Corruption("stuck", 20, 5), "the positions 1 to 23"),
        (Corruption("stuck", 20, 0), "a run of 0 positions"),
        (Corruption("lost", 2, 3), "unknown kind 'lost'"),
    ],
)
def test_wrong_corruption_is_an_error(tmp_path, run, message):
    with pytest.raises(InputError, match=message):
        calibrate(tmp_path, corruption=run)
    assert not list(tmp_path.iterdir())


# what a fit does not know


def test_a_second_mode_adds_its_share():
    plain = model()
    mode = SecondMode(0.3, 26e-9, 0.05, 4000.0)
    both = model(second_mode=mode)
    alone = model(
        median_core_diameter=26e-9,
        diameter_spread=0.05,
        anisotropy_constant=4000.0,
        # Debye times grow from that of the first mode's median.
        relaxation_time=plain.tracer.relaxation_time
        * (26e-9 / plain.tracer.median_core_diameter) ** 3,
    )
    positions = GRID.positions().reshape(-1, 3)[:5]
    expected = 0.7 * plain.at_points(positions) + 0.3 * alone.at_points(positions)
    np.testing.assert_allclose(both.at_points(positions), expected, rtol=1e-9, atol=1e-15)


def test_higher_degrees_leave_the_lower_ones_alone():
    few = dataclasses.replace(IMPERFECT, higher_deviation=0.0).draw(generator(3))
    more = dataclasses.replace(IMPERFECT, higher_deviation=0.02).draw(generator(3))
    np.testing.assert_array_equal(few.selection, more.selection)
    np.testing.assert_array_equal(few.drive, more.drive)
    directions = generator(4).normal(size=(20000, 3))
    sphere = 0.02 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    lower, higher = few.at(sphere, PLANE), more.at(sphere, PLANE)
    difference = higher.static_field - lower.static_field
    ideal = 0.02 * np.sqrt(np.mean(np.square(PLANE.gradient)))
    found = np.sqrt(np.mean(np.sum(difference**2, axis=1))) / ideal
    assert found == pytest.approx(0.02, rel=0.05)
    changes = np.sqrt(np.mean((higher.drive_scale - lower.drive_scale) ** 2, axis=0))
    np.testing.assert_allclose(changes, 0.02, rtol=0.05)


def test_receive_coils_scale_what_they_see():
    settings = FieldSettings(0.0, 0.0, 0.02, receive_deviation=0.1)
    fields = settings.draw(generator(5))
    positions = GRID.positions().reshape(-1, 3)
    even = model().at_points(positions)
    expected = fields.sensitivity(positions)[:, :, None] * even
    found = model(fields=fields).at_points(positions)
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(even).max())
    assert np.ptp(fields.sensitivity(positions), axis=0).min() > 0.01


def test_an_uneven_sample_is_shifted_by_its_centroid():
    sample = DeltaSample((2e-3, 2e-3, 2e-3), 2, (0.6, 0.0, 0.0))
    points, weights = sample.quadrature()
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights @ points, [0.6 * 1e-3 / 3, 0, 0], atol=1e-12)


def test_warm_particles_are_weaker_and_faster():
    tracer = scanner().tracer
    warm, moment = tracer.warmer(10.0)
    assert 0.98 < moment < 1
    particle, hot = tracer.fractions()[1][0], warm.fractions()[1][0]
    assert hot.beta / particle.beta == pytest.approx(moment * 293 / 303)
    assert hot.relaxation_time < 0.8 * particle.relaxation_time
    assert tracer.warmer(0.0)[1] == 1


@pytest.mark.parametrize("effect", ["position_jitter", "temperature_drift"])
def test_unsteady_calibrations_differ_from_their_truth_and_repeat(effect, tmp_path):
    amount = {"position_jitter": 2e-4, "temperature_drift": 20.0}[effect]
    silent = scanner(0.0, 1, 0.0, **SILENCE)
    unsteady = dataclasses.replace(silent, **{effect: amount})
    arguments = PLANE, GRID
    for name, virtual in (("steady", silent), ("unsteady", unsteady)):
        scan_calibration(
            tmp_path / f"{name}.mdf", tmp_path / f"{name}.h5", virtual, *arguments,
            averages=100, seed=SEED,
        )  # fmt: skip
    with h5py.File(tmp_path / "steady.h5") as one, h5py.File(tmp_path / "unsteady.h5") as other:
        np.testing.assert_array_equal(one["system_matrix"], other["system_matrix"])
    steady = mdf.read_system_matrix(tmp_path / "steady.mdf")
    found = mdf.read_system_matrix(tmp_path / "unsteady.mdf")
    change = np.linalg.norm(found - steady, axis=(0, 1)) / np.linalg.norm(steady, axis=(0, 1))
    assert 0.002 < np.median(change) < 0.3
    if effect == "temperature_drift":  # it passes the usual temperature halfway
        flat = change.ravel()[calibration_path(GRID).voxel]
        ends, middle = np.concatenate([flat[:3], flat[-3:]]), flat[len(flat) // 2 - 2 :][:4]
        assert middle.mean() < 0.6 * ends.mean()
    repeat_calibration(
        tmp_path / "again.mdf", tmp_path / "unsteady.h5", unsteady, *arguments, averages=100,
        seed=SEED,
    )  # fmt: skip
    again = mdf.read_system_matrix(tmp_path / "again.mdf")
    if effect == "position_jitter":  # the robot errs anew
        assert np.linalg.norm(again - found) > 0.5 * np.linalg.norm(found - steady)
    else:
        np.testing.assert_allclose(again, found, atol=1e-5 * np.abs(found).max())


def test_turning_moments_replace_debye_relaxation():
    hard = {"core_sizes": 1, "anisotropy_constant": 6000.0}
    turning = model(rotations=((Rotation("neel", damping=0.1), 1.0),), **hard)
    assert turning.tracer.fractions()[0][0].relaxation_time == 0
    positions = GRID.positions().reshape(-1, 3)[:2]
    found = turning.at_points(positions)
    at_once = model(relaxation_time=0.0, **hard).at_points(positions)
    largest = np.abs(at_once).max()
    # Microseconds against a cycle of 0.65 ms: close to equilibrium, and later.
    assert 1e-3 * largest < np.abs(found - at_once).max() < 0.3 * largest
    faster = model(rotations=((Rotation("neel", damping=1.0), 1.0),), **hard).at_points(positions)
    assert np.abs(faster - at_once).max() < np.abs(found - at_once).max()


def test_a_mixture_holds_particles_of_both_rotations():
    """Signals of particles that do not interact add up by their shares."""
    rotation = {
        "precession": False, "damping": 0.1, "viscosity_mPa_s": 1.0, "flat": False,
        "hydrodynamic_diameter_nm": 30.0, "brown_share": 0.3,
    }  # fmt: skip
    positions = GRID.positions().reshape(-1, 3)[:2]
    spectra = {}
    for kind in ("neel", "brown", "mixture"):
        tracer = {**SCANNER["tracer"], "core_sizes": 1, "rotation": {**rotation, "kind": kind}}
        rotations = load_scanner("turning", {**SCANNER, "tracer": tracer}).tracer.rotations
        spectra[kind] = model(rotations=rotations, core_sizes=1).at_points(positions)
    largest = np.abs(spectra["mixture"]).max()
    np.testing.assert_allclose(
        spectra["mixture"], 0.7 * spectra["neel"] + 0.3 * spectra["brown"], atol=1e-9 * largest
    )
    assert np.abs(spectra["neel"] - spectra["brown"]).max() > 0.05 * largest

"""System matrices as arrays, and back."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import yaml
from mdf_files import independent_matrix, two_periods

from smrestore import mdf
from smrestore.cli import main
from smrestore.exchange.description import (
    Description,
    GridDescription,
    SequenceDescription,
    TracerDescription,
    Variable,
)
from smrestore.exchange.exported import export_matrix
from smrestore.exchange.imported import import_matrix
from smrestore.mdf.layout import MANDATORY
from smrestore.methods import load_method
from smrestore.restoration import restore_scan
from smrestore.support.errors import InputError


@pytest.fixture(scope="module")
def exported(world, tmp_path_factory):
    """Return arrays and description of the world's calibration."""
    folder = tmp_path_factory.mktemp("exported")
    data, description = export_matrix(world.calibration, folder / "scan.npz")
    with np.load(data) as values:
        return dict(values), yaml.safe_load(description.read_text())


def imported(tmp_path, arrays, said, ending=".npz"):
    """Import arrays by a description; return the MDF file."""
    data, description = tmp_path / f"data{ending}", tmp_path / "data.yaml"
    if ending == ".npz":
        np.savez(data, **arrays)
    else:
        scipy.io.savemat(data, arrays)
    description.write_text(yaml.safe_dump(said))
    import_matrix(data, description, tmp_path / "out.mdf")
    return tmp_path / "out.mdf"


def test_names_of_exported_arrays(world, exported):
    values, said = exported
    matrix = mdf.read_system_matrix(world.calibration)
    with mdf.open_mdf(world.calibration) as file:
        sequence, acquisition, n_background = (
            file.sequence(),
            file.acquisition,
            file.is_background.sum(),
        )
    np.testing.assert_array_equal(values["system_matrix"], matrix)
    np.testing.assert_array_equal(values["snr"], mdf.read_snr(world.calibration))
    np.testing.assert_allclose(values["frequency_Hz"], acquisition.frequencies)
    np.testing.assert_array_equal(values["frequency_index"], np.arange(matrix.shape[1]))
    assert values["mixing_order"].shape == (matrix.shape[1], 3)
    assert values["background"].shape == (n_background, *matrix.shape[:2])
    np.testing.assert_array_equal(values["grid_size"], world.grid.size)
    np.testing.assert_allclose(values["x_m"], world.grid.axes()[0])
    np.testing.assert_array_equal(values["drive_amplitude_T"], sequence.drive_amplitude)
    assert values["unit"] == "V" and values["background_corrected"] == 1
    assert said["sequence"]["drive_amplitude_mT"] == [12.0, 12.0, 0.0]
    assert said["grid"]["fov_mm"] == [28.0, 20.0, 0.0]


@pytest.mark.parametrize("ending", [".npz", ".mat"])
def test_round_trip(world, tmp_path, ending, capsys):
    data, back = tmp_path / f"scan{ending}", tmp_path / "back.mdf"
    assert main(["export", str(world.calibration), str(data)]) == 0
    description = data.with_suffix(".yaml")
    assert capsys.readouterr().out.split() == [str(data), str(description)]
    assert main(["import", str(data), str(description), str(back)]) == 0
    assert "Nothing is unusual." in capsys.readouterr().out
    np.testing.assert_array_equal(
        mdf.read_system_matrix(back), mdf.read_system_matrix(world.calibration)
    )
    np.testing.assert_array_equal(mdf.read_snr(back), mdf.read_snr(world.calibration))
    kind = dict(mdf.inspect_mdf(world.calibration).facts)["kind"].replace("raw", "processed")
    assert dict(mdf.inspect_mdf(back).facts)["kind"] == kind
    with mdf.open_mdf(back) as file, mdf.open_mdf(world.calibration) as source:
        assert file.acquisition.start_time == source.acquisition.start_time
        for name in ("concentration", "volume"):
            assert file.hdf5["tracer"][name][()] == source.hdf5["tracer"][name][()]
        assert file.sequence() == source.sequence()
        assert file.grid() == source.grid()
        assert file.acquisition.n_averages == source.acquisition.n_averages
        assert file.acquisition.unit == source.acquisition.unit
        np.testing.assert_array_equal(file.frames.background.size, source.frames.background.size)
    # Once more: nothing changes any more.
    again, last = tmp_path / f"again{ending}", tmp_path / "last.mdf"
    export_matrix(back, again)
    import_matrix(again, again.with_suffix(".yaml"), last)
    np.testing.assert_array_equal(mdf.read_system_matrix(last), mdf.read_system_matrix(back))


def test_imported_files_are_what_other_readers_take(exported, tmp_path):
    """Read by the letter of the specification; contiguous and complete, as MPIFiles.jl needs it."""
    path = imported(tmp_path, *exported)
    np.testing.assert_array_equal(independent_matrix(path), exported[0]["system_matrix"])
    with h5py.File(path) as file:
        names = []
        file.visititems(lambda name, node: names.append(name) if hasattr(node, "shape") else None)
        assert {f"/{name}" for name in names} >= set(MANDATORY)
        assert all(file[name].chunks is None for name in names)
        data = file["measurement/data"]
        assert data.ndim == 4 and data.dtype == np.complex64
        assert file["measurement/isBackgroundFrame"].dtype == np.int8


def test_imported_scans_are_restored_as_the_scan_itself(world, exported, tmp_path):
    path = imported(tmp_path, *exported)
    method = load_method({"method": "dct-filter", "omega": 2.75}, None)
    restored = []
    for source in (world.calibration, path):
        out = tmp_path / "restored.mdf"
        restore_scan(source, out, method, name="dct-filter", background_factor=0.3)
        restored.append(mdf.read_system_matrix(out))
    np.testing.assert_allclose(restored[1], restored[0], atol=1e-5 * np.abs(restored[0]).max())


def test_restored_scans_are_exported(world, tmp_path):
    restored = tmp_path / "restored.mdf"
    matrix = mdf.read_system_matrix(world.calibration)
    shape = matrix.shape[:2]
    mdf.write_restored(
        world.calibration,
        restored,
        matrix,
        description="test",
        snr=np.full(shape, 2.0),
        expected_error=np.full(shape, 0.1),
    )
    (data, description) = export_matrix(restored, tmp_path / "restored.npz")
    with np.load(data) as values:
        np.testing.assert_array_equal(values["system_matrix"], matrix)
        assert (values["snr"] == 2).all() and (values["expected_error"] == 0.1).all()
        assert "background" not in values
    assert "snr" in yaml.safe_load(description.read_text())["variables"]


def test_chosen_channels_and_periods(world, tmp_path):
    two = two_periods(world.calibration, tmp_path / "two.mdf", offsets=(0.001, 0.001))
    (data,) = export_matrix(two, tmp_path / "one.npz", channels=[2], period=1)
    with np.load(data) as values:
        np.testing.assert_array_equal(
            values["system_matrix"], mdf.read_system_matrix(two, channels=[2], period=1)
        )
        assert values["channel"].tolist() == [2]
    with pytest.raises(InputError, match="none is chosen"):
        export_matrix(two, tmp_path / "none.npz")
    assert not (tmp_path / "none.npz").exists()


def matlab_73(path, arrays):
    """Write a file as MATLAB does with ``save -v7.3``."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            values = np.asarray(values).T
            if values.dtype.kind == "c":
                compound = np.empty(values.shape, [("real", "f8"), ("imag", "f8")])
                compound["real"], compound["imag"] = values.real, values.imag
                values = compound
            file[name] = values
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(header)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_arrays_of_a_group(exported, tmp_path, version):
    """A struct of MATLAB, positions in one axis, indices from 1, amplitudes, exp(+i 2 pi f t)."""
    values, said = exported
    matrix = values["system_matrix"].astype(np.complex128)
    n_samples = int(values["samples_per_period"])
    kept = np.arange(1, 300)
    size = matrix.shape[2:]
    positions = matrix[:2, kept].transpose(0, 1, 2, 4, 3).reshape(2, len(kept), -1, order="C")
    # y runs fastest, then z, then x.
    amplitudes = (2 / n_samples) * positions.conj()
    theirs = {
        "sm": amplitudes.transpose(2, 1, 0),
        "bins": (kept + 1)[None].astype(float),
        "ratio": values["snr"][:2, kept].T,
    }
    data, description = tmp_path / "lab.mat", tmp_path / "lab.yaml"
    if version == "5":
        scipy.io.savemat(data, {"lab": theirs})
    else:
        matlab_73(data, {f"lab/{name}": array for name, array in theirs.items()})
    described = {
        "variables": {"system_matrix": "lab.sm", "frequency_index": "lab.bins", "snr": "lab.ratio"},
        "axes": ["position", "frequency", "channel"],
        "position_order": "yzx",
        "first_frequency_index": 1,
        "conjugate": True,
        "normalization": "amplitude",
        "background_corrected": True,
        "sequence": said["sequence"],
        "grid": said["grid"],
        "tracer": {"name": "Perimag", "concentration_mol_per_l": 0.1, "volume_ul": 8.0},
    }
    description.write_text(yaml.safe_dump(described))
    summary = import_matrix(data, description, tmp_path / "lab.mdf")
    assert summary.unusual == ()
    found = mdf.read_system_matrix(tmp_path / "lab.mdf")
    assert found.shape == (2, len(kept), *size)
    np.testing.assert_allclose(found, matrix[:2, kept], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(mdf.read_snr(tmp_path / "lab.mdf"), values["snr"][:2, kept])
    with mdf.open_mdf(tmp_path / "lab.mdf") as file:
        np.testing.assert_array_equal(file.frequency_indices, kept)


def change(said, key, value):
    *groups, last = key.split(".")
    changed = {k: dict(v) if isinstance(v, dict) else v for k, v in said.items()}
    place = changed
    for group in groups:
        place = place[group]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("sequence", None, "sequence: the key is missing"),
        ("colour", "red", "colour: unknown key"),
        ("background_corrected", None, "background_corrected: the key is missing"),
        ("sequence.drive_amplitude_mT", [0.0, 0.0, 0.0], "no axis is driven"),
        ("sequence.drive_amplitude_mT", [12000.0, 12.0, 0.0], "sequence.drive_amplitude_mT"),
        ("sequence.base_frequency_Hz", "2.5 MHz", "sequence.base_frequency_Hz"),
        ("sequence.sampling_rate_Hz", 2.0e6, "one cycle of 652.8 us holds 1305.6 samples"),
        (
            "sequence.sampling_rate_Hz",
            1.25e6,
            "817 frequencies are stored, and the sequence has 409",
        ),
        ("grid.size", [7, 6, 1], "has 5 along y, and the grid 6"),
        ("grid.fov_mm", [28000.0, 20.0, 0.0], "grid.fov_mm"),
        ("axes", ["frequency", "x", "y", "z"], "has 817 along x, and the grid 7"),
        ("axes", ["channel", "frequency", "x"], "and 3 axes are named: channel, frequency, x"),
        ("axes", ["channel", "x", "y", "z"], "are no axes of a system matrix"),
        ("axes", ["channel", "frequency", "x", "x", "z"], "is listed twice"),
        ("axes", ["frequency", "channel", "x", "y", "z"], "no 3 different indices"),
        ("variables.system_matrix", "SM", "there is no variable 'SM', but averages"),
        ("variables.system_matrix", "snr", "holds real numbers"),
        ("variables.system_matrix", "unit", "instead of numbers"),
        ("variables.frequency_index", "snr", "different indices"),
        ("variables.background", "snr", "has 817 channels and 1 frequencies, the matrix 3 and 817"),
        ("variables.snr", "grid_fov_m", "has no finite real number for each"),
        ("first_frequency_index", 1, "different indices"),
        ("background_axes", ["frame", "channel"], "frequency is missing"),
    ],
)
def test_faults_are_one_line(exported, tmp_path, key, value, expected):
    arrays, said = exported
    if key == "sequence.sampling_rate_Hz":
        said = change(said, "variables.frequency_index", None)
    with pytest.raises(InputError) as error:
        imported(tmp_path, arrays, change(said, key, value))
    text = str(error.value)
    assert expected in text and "\n" not in text
    assert text.startswith(str(tmp_path / "data"))
    assert not (tmp_path / "out.mdf").exists()


def test_axes_of_one_voxel_may_be_left_out(exported, tmp_path):
    arrays, said = exported
    axes = ["channel", "frequency", "x", "y"]
    path = imported(tmp_path, arrays, change(said, "axes", axes))
    np.testing.assert_array_equal(mdf.read_system_matrix(path), arrays["system_matrix"])
    matrix = arrays["system_matrix"][..., :1, :]
    with pytest.raises(InputError, match="y is no axis of 'system_matrix', and the grid has 5"):
        imported(tmp_path, {**arrays, "system_matrix": matrix}, change(said, "axes", axes[:3]))


def test_values_that_are_not_finite(exported, tmp_path):
    arrays, said = exported
    wrong = arrays | {"system_matrix": arrays["system_matrix"].copy()}
    wrong["system_matrix"][0, 0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite"):
        imported(tmp_path, wrong, said)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("data.npz", b"no archive", "is no readable NumPy archive"),
        ("data.mat", b"no file of MATLAB" * 20, "is no readable MATLAB file"),
        ("data.mat", b"MATLAB 7.3 MAT-file".ljust(600), "is no readable MATLAB file"),
        ("data.mat", None, "no such file"),
        ("data.csv", b"1,2", "ends in '.csv'"),
    ],
)
def test_unreadable_data(exported, tmp_path, name, content, expected):
    description = tmp_path / "data.yaml"
    description.write_text(yaml.safe_dump(exported[1]))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=expected):
        import_matrix(tmp_path / name, description, tmp_path / "out.mdf")


def test_pickled_objects_are_never_loaded(exported, tmp_path):
    arrays, said = exported
    with pytest.raises(InputError, match="cannot be read"):
        imported(tmp_path, arrays | {"system_matrix": np.array([{}], dtype=object)}, said)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read"),
        (b"a: [1", "is no YAML"),
        (b"\xff\xfe", "is no YAML"),
        (b"- 1", "holds no keys"),
    ],
)
def test_unreadable_descriptions(tmp_path, content, expected):
    path = tmp_path / "data.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=expected):
        import_matrix(tmp_path / "data.npz", path, tmp_path / "out.mdf")


def test_commands_replace_nothing_they_read(world, exported, tmp_path, capsys):
    before = world.calibration.read_bytes()
    assert main(["export", str(world.calibration), str(world.calibration)]) == 2
    assert "ends in '.mdf'" in capsys.readouterr().err
    link = tmp_path / "link.npz"
    link.symlink_to(world.calibration)
    assert main(["export", str(world.calibration), str(link)]) == 2
    assert "must not replace its source" in capsys.readouterr().err
    assert world.calibration.read_bytes() == before
    imported(tmp_path, *exported)
    data, description = tmp_path / "data.npz", tmp_path / "data.yaml"
    for output in (data, description):
        assert main(["import", str(data), str(description), str(output)]) == 2
        assert "must not replace its source" in capsys.readouterr().err


def test_measurements_are_not_exported(world, tmp_path):
    with pytest.raises(InputError, match="not a calibration scan"):
        export_matrix(world.empty, tmp_path / "empty.npz")
    assert list(tmp_path.iterdir()) == []


def test_documentation_names_all_variables_and_keys(exported):
    page = (Path(__file__).parents[3] / "docs" / "exchange.md").read_text()
    keys = set(Description.model_fields)
    for part in (SequenceDescription, GridDescription, TracerDescription, Variable):
        keys |= set(part.model_fields)
    assert all(f"`{name}`" in page for name in {*exported[0], *keys, "transfer_function"})
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    assert Description.checked(example).axes == ("position", "frequency", "channel")

"""``smrestore restore`` of scans that groups have by mistake, and to places that take no file."""

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from mdf_files import edit, forget_checksums

from smrestore.cli import main
from smrestore.mdf import read_system_matrix
from smrestore.restoration.plan import refuse_implausible

STRENGTH = "/acquisition/drivefield/strength"
FACTOR = "/acquisition/receiver/dataConversionFactor"
FILTER = ("--method", "dct-filter")


@pytest.fixture
def scan(world, tmp_path) -> Path:
    path = tmp_path / "scan.mdf"
    path.write_bytes(world.calibration.read_bytes())
    return path


def restore(*arguments: object) -> int:
    return main(["restore", "denoising", *map(str, arguments)])


def only_error(capsys: pytest.CaptureFixture) -> str:
    *warned, line = capsys.readouterr().err.splitlines()
    assert line.startswith("smrestore: error: ")
    assert all(warning.startswith("smrestore: warning: ") for warning in warned)
    return line


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def kill(path: Path, *channels: int, value: int = 5) -> None:
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        data = file["measurement/data"]
        values = data[()]
        values[:, :, list(channels)] = value
        data[...] = values


def no_factor(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        forget_checksums(file)
        values = file[FACTOR][()]
        values[1] = 0
        file[FACTOR][...] = values


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: kill(path, 1), "its signal is constant"),
        (lambda path: kill(path, 1, value=0), "all its values are 0"),
        (no_factor, "its conversion factor is 0"),
    ],
)
def test_dead_channel_stays_as_it_is(world, scan, tmp_path, capsys, change, why):
    change(scan)
    output, expected = tmp_path / "restored.mdf", tmp_path / "expected.mdf"
    assert restore(scan, output, *FILTER) == 0
    out = capsys.readouterr()
    (line,) = out.err.splitlines()
    warning = f"receive channel 1 is dead, and stays as it is: {why}"
    assert line == f"smrestore: warning: {scan}: {warning}"
    assert [row.split()[2] for row in out.out.splitlines()[2:5]][1] == "0"
    assert restore(world.calibration, expected, *FILTER) == 0
    restored, alive = read_system_matrix(output), read_system_matrix(expected)
    assert (restored[1] == 0).all()
    np.testing.assert_array_equal(restored[[0, 2]], alive[[0, 2]])


def test_no_channel_is_alive(scan, tmp_path, capsys):
    kill(scan, 0, 1, 2)
    for method in ("dct-filter", "model"):
        assert restore(scan, tmp_path / "r.mdf", "--method", method) == 2
        assert "no receive channel measured anything" in only_error(capsys)
    assert files(tmp_path) == {"scan.mdf"}


def test_fields_in_another_unit(scan, tmp_path, capsys):
    with h5py.File(scan, "r+") as file:
        forget_checksums(file)
        file[STRENGTH][...] = 1000 * file[STRENGTH][()]
    fault = (
        f"{scan}: {STRENGTH}: is 12 T: scanners stay below 0.5 T, and it is likely written in mT"
    )
    # The filter does without fields, the fit is made of them.
    assert restore(scan, tmp_path / "filtered.mdf", *FILTER) == 0
    assert capsys.readouterr().err == f"smrestore: warning: {fault}\n"
    assert restore(scan, tmp_path / "modelled.mdf", "--method", "model") == 2
    assert fault in only_error(capsys)
    # Nor is it left to the network.
    assert restore(scan, tmp_path / "chosen.mdf") == 2
    assert fault in only_error(capsys)
    assert main(["fit", str(scan), str(tmp_path / "fit.json")]) == 2
    assert fault in only_error(capsys)
    assert files(tmp_path) == {"scan.mdf", "filtered.mdf"}


@pytest.mark.parametrize(
    ("name", "factor", "expected"),
    [
        ("/acquisition/gradient", 1e3, "likely written in mT/m"),
        ("/acquisition/drivefield/phase", 90.0, "likely written in degrees"),
        ("/acquisition/drivefield/baseFrequency", 1e-4, "scanners have more than 100 Hz"),
        ("/calibration/fieldOfView", 1e3, "likely written in mm"),
    ],
)
def test_headers_that_no_scanner_has(scan, tmp_path, capsys, name, factor, expected):
    with h5py.File(scan, "r+") as file:
        forget_checksums(file)
        values = file[name][()]
        file[name][...] = factor * np.where(values == 0, 1, values)
        if name.endswith("gradient"):
            file[name][...] = factor * values
    assert restore(scan, tmp_path / "r.mdf") == 2
    line = only_error(capsys)
    assert f"{scan}: {name}: " in line and expected in line and "--method dct-filter" in line
    assert files(tmp_path) == {"scan.mdf"}
    assert restore(scan, tmp_path / "r.mdf", *FILTER) == 0
    assert expected in capsys.readouterr().err


def test_what_no_method_uses_is_warned_about(scan, caplog):
    edit(scan, "/scanner/boreSize", 120.0)
    refuse_implausible(scan)
    assert "/scanner/boreSize: is 120 m" in caplog.text


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_truncated_scan(scan, tmp_path, capsys, share):
    content = scan.read_bytes()
    scan.write_bytes(content[: int(share * len(content))])
    for options in ((), FILTER):
        assert restore(scan, tmp_path / "r.mdf", *options) == 2
        assert f"{scan}: the HDF5 file cannot be opened, it is truncated" in only_error(capsys)
    assert files(tmp_path) == {"scan.mdf"}


@pytest.mark.parametrize("kind", ["sample", "frames"])
def test_headers_that_the_data_complete(world, scan, tmp_path, capsys, kind):
    edit(scan, "/calibration/deltaSampleSize", np.float64(2e-3)) if kind == "sample" else edit(
        scan, "/acquisition/numFrames"
    )
    assert restore(scan, tmp_path / "r.mdf", *FILTER) == 0
    assert restore(world.calibration, tmp_path / "expected.mdf", *FILTER) == 0
    assert capsys.readouterr().err == ""
    restored, expected = (read_system_matrix(tmp_path / f"{n}.mdf") for n in ("r", "expected"))
    np.testing.assert_array_equal(restored, expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0" * 128 + b"DICM", "is not an HDF5 file"),
        (b"MDF     3.30    TGT 15.0", "ASAM MDF"),
        (b"MATLAB 5.0 MAT-file, Platform", "is not an HDF5 file"),
        (None, "is HDF5 but not MDF"),
    ],
)
def test_scans_of_other_modalities(tmp_path, capsys, content, expected):
    path = tmp_path / "scan.mdf"
    if content is None:
        with h5py.File(path, "w") as file:
            # As in raw data of magnetic resonance imaging (ISMRMRD).
            file["dataset/xml"] = "<ismrmrdHeader/>"
    else:
        path.write_bytes(content)
    assert restore(path, tmp_path / "r.mdf", *FILTER) == 2
    assert expected in only_error(capsys)
    assert files(tmp_path) == {"scan.mdf"}


def test_measurement_in_place_of_a_calibration(world, tmp_path, capsys):
    for method in ("dct-filter", "model"):
        assert restore(world.empty, tmp_path / "r.mdf", "--method", method) == 2
        assert "is a measurement, not a calibration scan" in only_error(capsys)
    assert files(tmp_path) == set()


@pytest.mark.parametrize("kind", ["name", "symbolic link", "hard link", "other way to it"])
@pytest.mark.parametrize("option", ["output", "fit"])
def test_the_scan_is_never_replaced(scan, tmp_path, capsys, kind, option):
    before = scan.read_bytes()
    target = tmp_path / "link.mdf"
    if kind == "symbolic link":
        target.symlink_to(scan)
    elif kind == "hard link":
        target.hardlink_to(scan)
    else:
        target = scan if kind == "name" else tmp_path / "." / ".." / tmp_path.name / scan.name
    names = files(tmp_path)
    if option == "output":
        assert restore(scan, target, *FILTER) == 2
    else:
        options = ["--method", "model", "--save-fit", target]
        assert restore(scan, tmp_path / "r.mdf", *options) == 2
    assert "must not replace its source" in only_error(capsys)
    assert scan.read_bytes() == before
    assert files(tmp_path) == names


def test_no_other_command_replaces_what_it_reads(scan, capsys):
    before = scan.read_bytes()
    for command in ("fit", "propose-mask", "plan-calibration", "plot", "simulate"):
        assert main([command, str(scan), str(scan)]) == 2
        assert "must not replace its source" in only_error(capsys)
    assert scan.read_bytes() == before


def test_places_that_take_no_file(scan, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("text")
    names = files(tmp_path)
    for output, expected in (
        (file / "r.mdf", "cannot be written"),
        (tmp_path, "is a folder"),
        (tmp_path / ("r" * 300), "File name too long"),
    ):
        assert restore(scan, output, *FILTER) == 2
        line = only_error(capsys)
        assert expected in line and str(output) in line
    assert files(tmp_path) == names


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users")
def test_no_permission_to_write(scan, tmp_path, capsys):
    folder = tmp_path / "theirs"
    folder.mkdir()
    scan = scan.rename(folder / "scan.mdf")
    before = scan.read_bytes()
    # What the command imports is imported before, because other users may not read it.
    assert restore(scan, tmp_path / "first.mdf", *FILTER) == 0
    capsys.readouterr()
    folder.chmod(0o555)
    # Folders above the test are not open to others either, hence the change of place.
    former, is_root = Path.cwd(), os.geteuid() == 0
    os.chdir(folder)
    try:
        if is_root:
            os.seteuid(65534)
        codes = [restore("scan.mdf", "r.mdf", *options) for options in (FILTER, ())]
    finally:
        if is_root:
            os.seteuid(0)
        os.chdir(former)
    assert codes == [2, 2]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("error: r.mdf: cannot be written (Permission denied)" in line for line in lines)
    assert files(folder) == {"scan.mdf"}
    assert scan.read_bytes() == before


@pytest.mark.parametrize("room_kB", [4, 80, 400])
def test_full_disk(scan, tmp_path, capsys, room_kB):  # noqa: N803
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room_kB}k", "tmpfs", str(small)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount")
    before = scan.read_bytes()
    try:
        assert restore(scan, small / "r.mdf", *FILTER) == 2
        assert "there is no space left to write it" in only_error(capsys)
        assert files(small) == set()
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert scan.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--omega", "3"), "without a method. Leave it out, or use --method dct-filter"),
        (("--sigma-factor", "1", "--model", "rdn"), "with a network"),
        (("--within-noise", "2", *FILTER), "with dct-filter"),
        (("--ensemble", "phases"), "without a method"),
        (("--allow-misfit",), "without a method. Leave it out, or use --method model"),
        (("--twins",), "without a method. Leave it out, or use --method dct-filter or --model"),
    ],
)
def test_options_that_would_do_nothing(scan, tmp_path, capsys, options, expected):
    assert restore(scan, tmp_path / "r.mdf", *options) == 2
    assert f"{options[0]}: cannot be used {expected}" in only_error(capsys)
    assert files(tmp_path) == {scan.name}


def test_a_factor_belongs_to_finer_grids(scan, tmp_path, capsys):
    assert restore(scan, tmp_path / "r.mdf", "--factor", "2") == 2
    assert "factor: denoising has no such option" in only_error(capsys)


def test_a_restored_scan_has_no_background_frames_to_fit_with(scan, tmp_path, capsys):
    restored = tmp_path / "r.mdf"
    assert restore(scan, restored, *FILTER) == 0
    for options in ((), ("--method", "model")):
        code = restore(restored, tmp_path / "again.mdf", *options)
        printed = capsys.readouterr()
        assert "needs two background frames, there are 0" in printed.out + printed.err
        assert "unexpected" not in printed.err
    assert code == 2


def test_missing_background_mask_is_named(scan, tmp_path, capsys):
    edit(scan, "/measurement/isBackgroundFrame")
    assert restore(scan, tmp_path / "r.mdf", *FILTER) == 2
    assert "/measurement/isBackgroundFrame: this mandatory dataset is missing" in only_error(capsys)

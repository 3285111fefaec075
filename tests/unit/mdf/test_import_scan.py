"""Scans from files: checked, then linked."""

import shutil

import h5py
import pytest

from smrestore.mdf import import_scan, read_spectra
from smrestore.support.errors import InputError


@pytest.mark.parametrize(
    ("scan", "kind"),
    [("calibration", "calibration"), ("empty", "empty"), ("empty", "phantom")],
)
def test_scan_is_linked_as_it_is(world, tmp_path, scan, kind):
    source, destination = getattr(world, scan), tmp_path / "scans" / "my.mdf"
    import_scan(source, destination, kind=kind)
    assert destination.is_symlink()
    assert destination.readlink().is_absolute()
    assert destination.resolve() == source.resolve()
    assert read_spectra(destination, frames=[0]).shape == (1, 3, 817)


def test_relative_path_and_former_link(world, tmp_path, monkeypatch):
    shutil.copy(world.empty, tmp_path / "mine.mdf")
    destination = tmp_path / "scans" / "my.mdf"
    import_scan(world.empty, destination, kind="empty")
    monkeypatch.chdir(tmp_path)
    import_scan("mine.mdf", destination, kind="empty")
    assert destination.resolve() == (tmp_path / "mine.mdf").resolve()
    assert world.empty.exists()


@pytest.mark.parametrize(
    ("scan", "kind", "found"),
    [
        ("calibration", "empty", "is a calibration scan, but declared as empty"),
        ("calibration", "phantom", "is a calibration scan, but declared as phantom"),
        ("empty", "calibration", "is not a calibration scan, but declared as calibration"),
    ],
)
def test_wrong_kind_is_named_and_nothing_linked(world, tmp_path, scan, kind, found):
    with pytest.raises(InputError, match=rf"{scan}\.mdf: /calibration/method: {found}"):
        import_scan(getattr(world, scan), tmp_path / "my.mdf", kind=kind)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_scan_is_named(world, tmp_path):
    with pytest.raises(InputError, match=r"kind: unknown 'noise'. Use one of empty, calibration"):
        import_scan(world.empty, tmp_path / "my.mdf", kind="noise")
    with pytest.raises(InputError, match=r"absent\.mdf"):
        import_scan(tmp_path / "absent.mdf", tmp_path / "my.mdf", kind="empty")
    (tmp_path / "text.mdf").write_text("not HDF5")
    with pytest.raises(InputError, match=r"text\.mdf"):
        import_scan(tmp_path / "text.mdf", tmp_path / "my.mdf", kind="empty")
    shutil.copy(world.empty, tmp_path / "cut.mdf")
    with h5py.File(tmp_path / "cut.mdf", "r+") as file:
        del file["/measurement/data"]
    with pytest.raises(InputError, match=r"cut\.mdf: /measurement/data"):
        import_scan(tmp_path / "cut.mdf", tmp_path / "my.mdf", kind="empty")
    assert not (tmp_path / "my.mdf").is_symlink()

"""Files are complete or absent, and say where they come from."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version

import h5py
import numpy as np
import pytest

from smrestore.support.errors import InputError
from smrestore.support.files import (
    atomic_path,
    git_commit,
    memory_map,
    parts_beside,
    provenance,
)


def test_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "folder" / "a.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("content")
        assert temporary.parent == path.parent
        assert temporary.suffix == ".csv"
        assert not path.exists()
    assert path.read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


def test_failure_leaves_the_former_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("former")

    def write():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]
    path.unlink()
    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_success_replaces_the_former_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("former")
    with atomic_path(str(path)) as temporary:
        assert path.read_text() == "former"
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_link_is_replaced_and_its_target_kept(tmp_path):
    target, path = tmp_path / "data.mdf", tmp_path / "link.mdf"
    target.write_text("measured")
    path.symlink_to(target)
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "measured"
    assert not path.is_symlink()


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int16])
def test_memory_map_is_the_dataset(tmp_path, dtype):
    values = (np.arange(60).reshape(3, 4, 5) * (1 + 0.5j if dtype == np.complex64 else 1)).astype(
        dtype
    )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["before"] = np.zeros(7)
        file["values"] = values
    with h5py.File(tmp_path / "a.h5") as file:
        mapped = memory_map(file["values"])
    assert mapped.dtype == dtype
    np.testing.assert_array_equal(mapped, values)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0


@pytest.mark.parametrize(
    "options", [{"chunks": (2, 5)}, {"compression": "gzip"}, {"maxshape": (None, 5)}]
)
def test_memory_map_refuses_chunks(tmp_path, options):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("values", data=np.zeros((4, 5)), **options)
    with (
        h5py.File(tmp_path / "a.h5") as file,
        pytest.raises(ValueError, match="/values is not stored contiguously"),
    ):
        memory_map(file["values"])


def test_memory_map_refuses_what_was_never_written(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("values", (4, 5), np.float32)
        with pytest.raises(ValueError, match="not stored contiguously"):
            memory_map(file["values"])


def test_provenance_names_version_commit_and_time():
    entries = provenance()
    assert list(entries) == ["smrestore_version", "git_commit", "created"]
    assert entries["smrestore_version"] == version("smrestore")
    assert entries["git_commit"] == git_commit()
    age = datetime.now(UTC) - datetime.fromisoformat(entries["created"])
    assert 0 <= age.total_seconds() < 60


def test_commit_is_that_of_the_checkout():
    result = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
    )
    if result.returncode:
        assert git_commit() == "unknown"
    else:
        assert result.stdout.startswith(git_commit().removesuffix("-dirty"))


def test_temporary_files_of_killed_processes_are_removed(tmp_path):
    code = (
        "import os, signal; from smrestore.support.files import atomic_path\n"
        f"with atomic_path({str(tmp_path / 'a.h5')!r}) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    others = [f".b{left.name[2:]}", f".a.other-host.{left.suffixes[-2][1:]}.h5", ".a.h5.partial"]
    for name in others:
        (tmp_path / name).write_text("of somebody else")
    with atomic_path(tmp_path / "a.h5") as temporary:
        temporary.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.h5", *others}


def test_parts_are_gone_afterwards_and_errors_name_the_file(tmp_path):
    output = tmp_path / "new" / "out.mdf"
    with parts_beside(output) as folder:
        (folder / "part.mdf").write_text("part")
        assert folder.parent == output.parent
    assert list(output.parent.iterdir()) == []
    with (
        pytest.raises(InputError, match=r"out.mdf: is full. Free some") as raised,
        parts_beside(output) as folder,
    ):
        raise InputError("is full", path=folder / "part.mdf", remedy="free some")
    assert raised.value.path == output
    with pytest.raises(InputError, match=r"^other: is wrong"), parts_beside(output):
        raise InputError("is wrong", path="other")
    assert list(output.parent.iterdir()) == []
    with pytest.raises(InputError, match="is a folder"), parts_beside(tmp_path):
        pass


def test_parts_of_killed_processes_are_removed(tmp_path):
    output = tmp_path / "out.mdf"
    with parts_beside(output) as folder:
        left = folder.with_name(folder.name.replace(f".{os.getpid()}.", ".999999999."))
        left.mkdir()
        (left / "part.mdf").write_text("part")
        with parts_beside(tmp_path / "another.mdf"):
            assert left.exists()
    with parts_beside(output):
        assert not left.exists()

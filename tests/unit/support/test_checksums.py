"""Damaged files: a flipped byte or a missing end is never taken for data."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from mdf_files import forget_checksums, raw_signals, write_raw

from smrestore.mdf import open_mdf, read_spectra
from smrestore.noise import NoisePool, build_noise_pool, build_parametric_pool
from smrestore.simulation.store import StoredMatrix, SystemMatrixStore, write_store
from smrestore.support.checksums import CHECKSUM, add_checksums, check_datasets, intact, remake
from smrestore.support.errors import InputError
from smrestore.support.files import new_hdf5

CHANGED = "the values are not those that were written"


def store(path: Path, decimals: int | None = None) -> Path:
    rng = np.random.default_rng(0)
    components = rng.normal(size=(5, 24, 16, 1)).astype(np.float32)
    components /= np.abs(components).max(axis=(1, 2, 3), keepdims=True)
    index = np.arange(5)
    matrix = StoredMatrix("a", components, index, index, np.tile(index[:, None], 3), index + 1.0)
    write_store(path, [matrix], {"seed": 1}, decimals)
    return path


def packed(path: Path) -> Path:
    return store(path, decimals=6)


def pool(path: Path) -> Path:
    build_parametric_pool(
        path, model="white", name="p", seed=1, n_frames=90, frequency_axis=np.arange(4.0)
    )
    return path


def scan(path: Path) -> Path:
    return write_raw(path, raw_signals(0, 4), [0, 0, 0, 0])


def read_store(path: Path) -> list[np.ndarray]:
    opened = SystemMatrixStore([path])
    read = [opened.read(0, number) for number in range(5)]
    return [np.stack([c.image for c in read]), [c.channel for c in read], opened.index[0]]


def read_pool(path: Path) -> list[np.ndarray]:
    opened = NoisePool(path)
    values = [np.array(opened.noise), opened.frequencies, opened.place, opened.averages]
    return [*values, opened.removes_level, *(origin.frames for origin in opened.origins)]


def read_scan(path: Path) -> list[np.ndarray]:
    with open_mdf(path) as file:
        return [read_spectra(path), file.is_background, file.sequence().n_samples]


KINDS = {
    "store": (store, read_store),
    "packed store": (packed, read_store),
    "pool": (pool, read_pool),
    "scan": (scan, read_scan),
}


@pytest.fixture(params=KINDS)
def kind(request, tmp_path) -> tuple[Path, Callable]:
    make, read = KINDS[request.param]
    return make(tmp_path / "file.h5"), read


def place_of_values(path: Path) -> tuple[int, str]:
    """Return a byte in the middle of the largest dataset, and the name of the dataset."""
    largest = []
    with h5py.File(path) as file:

        def look(name: str, node: h5py.HLObject) -> None:
            if isinstance(node, h5py.Dataset):
                largest.append((node.size, name))

        file.visititems(look)
        dataset = file[max(largest)[1]]
        offset = dataset.id.get_offset()
        if offset is None:
            offset = dataset.id.get_chunk_info(2).byte_offset
            return offset + dataset.id.get_chunk_info(2).size // 2, dataset.name
        return offset + dataset.nbytes // 2, dataset.name


def flip(path: Path, place: int, mask: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= mask
    path.write_bytes(content)


def test_all_datasets_carry_a_checksum(kind):
    path, read = kind
    lacking = []

    def look(name: str, node: h5py.HLObject) -> None:
        if isinstance(node, h5py.Dataset) and CHECKSUM not in node.attrs:
            lacking.append(name)

    with h5py.File(path) as file:
        check_datasets(file)
        file.visititems(look)
    assert not lacking
    read(path)


def test_one_flipped_bit_is_named_with_file_and_dataset(kind):
    path, read = kind
    place, name = place_of_values(path)
    flip(path, place)
    with pytest.raises(InputError, match=re.escape(f"{path}: {name}: {CHANGED}")) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99, None])
def test_truncated_file_is_named(kind, share):
    path, read = kind
    content = path.read_bytes()
    path.write_bytes(content[:-1] if share is None else content[: int(share * len(content))])
    with pytest.raises(InputError, match=re.escape(f"{path}: ")):
        read(path)


def same(found: object, expected: object) -> bool:
    if isinstance(expected, dict):
        return all(same(found[key], expected[key]) for key in expected)
    return np.array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("name", ["store", "packed store", "pool"])
def test_no_flipped_bit_anywhere_changes_what_is_read(name, tmp_path):
    """Structure and attributes have checksums of HDF5 itself, except for the heap of texts."""
    make, read = KINDS[name]
    path = make(tmp_path / "file.h5")
    expected = read(path)
    whole, damaged, errors = path.read_bytes(), tmp_path / "damaged.h5", 0
    # From some damaged heaps of texts, HDF5 does not return: smrestore.mdf.heap.
    heap = whole.find(b"GCOL")
    assert heap > 0
    step = max(1, len(whole) // 600)
    places = [p for p in range(0, len(whole), step) if not heap <= p < heap + 4096]
    for number, place in enumerate(places):
        content = bytearray(whole)
        content[place] ^= 1 << number % 8
        damaged.write_bytes(content)
        try:
            found = read(damaged)
        except InputError:
            errors += 1
        else:
            assert all(map(same, found, expected)), f"byte {place} of {len(whole)}"
        damaged.unlink()
    assert errors > 30


def test_files_without_checksums_are_read_as_before(kind, tmp_path):
    path, read = kind
    expected = read(path)
    bare = shutil.copy(path, tmp_path / "bare.h5")
    with h5py.File(bare, "r+") as file:
        forget_checksums(file)
    assert all(map(same, read(bare), expected))


def test_damaged_scan_makes_no_pool(tmp_path):
    path = scan(tmp_path / "scan.mdf")
    flip(path, place_of_values(path)[0])
    with pytest.raises(InputError, match=rf"scan\.mdf: /measurement/data: {CHANGED}"):
        build_noise_pool([path], tmp_path / "pool.h5", background_level="keep")
    assert list(tmp_path.iterdir()) == [path]


def test_damage_between_two_reads_of_a_process_is_seen(tmp_path):
    path = store(tmp_path / "file.h5")
    read_store(path)
    flip(path, place_of_values(path)[0])
    with pytest.raises(InputError, match=CHANGED):
        read_store(path)


def test_texts_empty_and_chunked_datasets(tmp_path):
    path = tmp_path / "file.h5"
    with new_hdf5(path) as file:
        file["text"] = "a"
        file["texts"] = np.array(["a", "b"], dtype=object)
        file["nothing"] = h5py.Empty("f4")
        file["none"] = np.empty((0, 3))
        file.create_dataset("chunked", data=np.arange(10), chunks=(3,), compression="gzip")
        file["link"] = h5py.SoftLink("/nowhere")
    with h5py.File(path) as file:
        check_datasets(file)
    with h5py.File(path, "r+") as file:
        file["texts"][1] = "c"
    with h5py.File(path) as file:
        intact(file["text"])
        with pytest.raises(InputError, match="/texts"):
            intact(file["texts"])


def test_another_shape_or_type_of_the_same_bytes_is_damage(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"], file["b"] = np.zeros(8, "i4"), np.zeros(8, "f4")
        add_checksums(file)
        assert file["a"].attrs[CHECKSUM] != file["b"].attrs[CHECKSUM]


def test_remedy_is_the_command_that_makes_a_file_of_the_workflow_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = "snakemake --cores all --forcerun "
    assert remake("results/noise/p.h5").endswith(f"{command}results/noise/p.h5")
    assert remake(tmp_path / "results/a b.h5").endswith(f"{command}'results/a b.h5'")
    assert "snakemake" not in remake("elsewhere/p.h5")
    assert remake("/other/results/p.h5", otherwise="copy it") == "copy it"
    (tmp_path / "results").mkdir()
    (tmp_path / "results/s.mdf").symlink_to("/lab/s.mdf")
    assert remake("results/s.mdf", otherwise="copy it") == "copy it"

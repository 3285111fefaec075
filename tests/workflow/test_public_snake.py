"""The public snake experiment: planned as it is, and run on a store of the same layout."""

import hashlib
import io
import tarfile

import h5py
import numpy as np
import pytest
import yaml
from plans import CI, pending, write_overlay

from checkout import ROOT, snakemake
from loopback import served
from smrestore.configuration import load_configuration
from smrestore.physics import CalibrationGrid, Sequence
from smrestore.scanner import load_scanner, scan_calibration, scan_empty, scan_phantom
from smrestore.scanner.phantoms import load_phantom

PUBLIC = "config/public-snake.yaml"
STORE = "zenodo-10646064"
FOLDER = "MDFStore/measurements/20230613_150948_model based fluid"
MEASUREMENTS = ("snake", "resolution-1", "resolution-2", "resolution-3", "ice-cream", "dot")
METHODS = ("dct-f", "dncnn", "unet-canonical")


def test_everything_is_planned_without_a_server(empty_checkout, tmp_path):
    jobs = pending(empty_checkout, "--directory", tmp_path, configfiles=[PUBLIC])
    scans = ("calibration", "empty", *MEASUREMENTS)
    assert {name for rule, name in jobs if rule == "fetch_scan"} == {f"public-{s}" for s in scans}
    names = {f"public-{measurement}" for measurement in MEASUREMENTS}
    reconstructed = {name for rule, name in jobs if rule == "reconstruct_scan"}
    assert {name for name in reconstructed if name.startswith("public-")} == names
    restored = {name for rule, name in jobs if rule == "restore_scan"}
    expected = {f"{name}/{method}" for name in names for method in METHODS}
    assert {name for name in restored if name.startswith("public-")} == expected
    assert not list(tmp_path.rglob("*.mdf"))


def test_files_are_those_of_the_store():
    config = load_configuration([ROOT / "config.yaml", ROOT / PUBLIC])
    scans = {n: s for n, s in config["scans"].items() if s["source"] == "download"}
    assert {scan["store"] for scan in scans.values()} == {STORE}
    assert scans["public-calibration"]["file"] == "calibrations/13.mdf"
    assert scans["public-calibration"]["slice"] == 1
    assert scans["public-empty"]["file"].endswith("fluid/1.mdf")
    for number, name in enumerate(MEASUREMENTS, start=2):
        entry = config["measurements"][f"public-{name}"]
        assert scans[entry["phantom"]]["file"].endswith(f"fluid/{number}.mdf")
        assert (entry["calibration"], entry["empty"]) == ("public-calibration", "public-empty")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> tuple[bytes, np.ndarray]:
    """An archive with the layout of the real one, and the true image of the phantom.

    The calibration has three slices, of which the second goes through the phantom.
    """
    folder = tmp_path_factory.mktemp("store")
    config = load_configuration([ROOT / "config.yaml"])
    # A sample like a point in ideal fields: here files count, not physics.
    virtual = config["scanners"]["virtual"]
    fields = {**virtual["fields"], "selection_deviation": 0.0, "drive_deviation": 0.0}
    sample = {**virtual["delta_sample"], "size_mm": [0.1, 0.1, 0.1], "points": 1}
    scanner = load_scanner("virtual", {**virtual, "delta_sample": sample, "fields": fields})
    sequence = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
    thick = CalibrationGrid((9, 8, 3), (0.034, 0.030, 0.009))
    options = {"seed": 5}
    scan_calibration(
        folder / "13.mdf",
        folder / "13.truth.h5",
        scanner,
        sequence,
        thick,
        averages=100,
        **options,
    )
    scan_empty(folder / "1.mdf", scanner, sequence, frames=20, **options)
    phantom = load_phantom(config["phantoms"]["snake"])
    thin = CalibrationGrid((9, 8, 1), (0.034, 0.030, 0.003))
    scan_phantom(
        folder / "2.mdf",
        folder / "2.truth.h5",
        scanner,
        sequence,
        thin,
        phantom,
        frames=20,
        background_frames=1,
        averages=100,
        **options,
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        tar.add(folder / "13.mdf", "MDFStore/calibrations/13.mdf")
        for number in (1, 2):
            tar.add(folder / f"{number}.mdf", f"{FOLDER}/{number}.mdf")
    with h5py.File(folder / "2.truth.h5") as file:
        return packed.getvalue(), file["concentration"][()]


def test_snake_is_fetched_restored_and_reconstructed(empty_checkout, store, tmp_path):
    archive, truth = store
    with served({"/MDFStore.tar.gz": archive}) as site:
        site.redirects["/records"] = "/MDFStore.tar.gz"
        site.cuts = [2**20]
        entry = yaml.safe_load((ROOT / "src/smrestore/public/stores.yaml").read_text())[STORE]
        mirror = {
            **entry,
            "url": f"{site.address}/records",
            "sha256": hashlib.sha256(archive).hexdigest(),
        }
        stores = tmp_path / "stores.yaml"
        stores.write_text(yaml.safe_dump({STORE: mirror}))
        downloads = {"cache": str(tmp_path / "cache"), "registry": str(stores)}
        # What is learned takes longer, and has tests of its own.
        classical = {"methods": ["dct-f"]}
        settings = {
            "downloads": downloads,
            "measurements": {"public-snake": classical},
            "figures": {"figure3": classical},
        }
        overlay = write_overlay(tmp_path / "overlay.yaml", settings)
        configfiles = ["--configfile", *(empty_checkout / c for c in (CI, PUBLIC)), overlay]
        image = "results/reconstructions/public-snake.h5"
        folder = tmp_path / "run"
        folder.mkdir()
        arguments = [image, "--cores", "2", "--directory", folder, *configfiles]
        result = snakemake(empty_checkout, *arguments, timeout=300)
        assert result.returncode == 0, result.stdout[-20000:]
        paths = [path for path, _ in site.requests]
        # Broken off once, then continued; once for all three scans.
        assert paths == ["/records", "/MDFStore.tar.gz"] * 2
        assert site.requests[-1][1].startswith("bytes=")
    with h5py.File(folder / image) as file:
        found = file["dct-f/image"][()]
    assert found.shape == truth.shape == (9, 8, 1)
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.8
    # Without the server, what was fetched is enough.
    scan = folder / "results/scans/public-snake.mdf"
    scan.unlink()
    arguments[0] = scan.relative_to(folder)
    result = snakemake(empty_checkout, *arguments, timeout=300)
    assert result.returncode == 0, result.stdout[-20000:]
    assert scan.exists()

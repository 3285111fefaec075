"""``smrestore view``: what is chosen and kept, and the page in a real browser."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import open_browser
from mdf_files import (
    acquisition,
    calibration,
    edit,
    interleaved,
    raw_signals,
    two_periods,
    write_raw,
    write_stored,
)
from tiny_scanner import SEED

from smrestore.cli import main
from smrestore.figures.complex_color import complex_to_rgb
from smrestore.mdf import read_system_matrix, write_restored
from smrestore.scanner import load_phantom, scan_phantom
from smrestore.support.errors import InputError
from smrestore.viewing.gathering import DATA_BYTES, gather
from smrestore.viewing.matrices import read_matrix
from smrestore.viewing.packing import packed_bytes, packed_image
from smrestore.viewing.page import MAGNITUDES, PHASES, write_view
from smrestore.viewing.selection import select_rows


def restored(scan: Path, destination: Path, **values) -> Path:
    """Write a restored matrix: half of the measured one, with an expected error of 2."""
    matrix = 0.5 * read_system_matrix(scan)
    error = np.full(matrix.shape[:2], 2.0)
    write_restored(
        scan,
        destination,
        matrix,
        description="restored by halving (denoising)",
        **{"expected_error": error, **values},
    )
    return destination


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Return a raw calibration of 5 x 4 x 3 voxels with a background frame before each line."""
    mask = interleaved(12, 5)
    values = {"calibration": calibration(5, 4, 3)}
    return write_raw(tmp_path / "scan.mdf", raw_signals(0, len(mask)), mask, **values)


def view(*arguments: object) -> int:
    return main(["view", *map(str, arguments)])


def content(page: Path) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    return json.loads(found[1])


def unpacked(packed: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), packed["type"])


def test_strongest_rows_and_a_cut_through_the_others_are_chosen() -> None:
    ratio = np.arange(100.0)[::-1].copy()
    ratio[3] = np.nan
    chosen = select_rows(ratio, 10)
    # Row 6 is the first of the others, and the row of NaN has the last rank.
    assert len(chosen) == 10 and {0, 1, 2, 4, 5} | {3, 6} < set(chosen.tolist())
    assert np.array_equal(select_rows(ratio, 100), np.arange(100))


def test_images_are_kept_to_sixteen_bits_with_x_fastest() -> None:
    rng = np.random.default_rng(3)
    image = rng.standard_normal((4, 3, 2)) + 1j * rng.standard_normal((4, 3, 2))
    packed = packed_image(image)
    parts = unpacked(packed).reshape(2, 3, 4, 2) * packed["scale"]
    kept = (parts[..., 0] + 1j * parts[..., 1]).transpose(2, 1, 0)
    np.testing.assert_allclose(kept, image, atol=np.abs(image).max() / 2**15)
    assert len(packed["data"]) == packed_bytes(image.size)
    assert not unpacked(packed_image(np.zeros((2, 2, 1)))).any()


def test_page_holds_the_components_that_a_reader_of_the_file_gets(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    after = restored(scan, tmp_path / "halved.mdf")
    page = tmp_path / "page.html"
    # The restored file is named first, and still shown after its source.
    assert view(after, scan, "-o", page) == 0
    assert capsys.readouterr().out.startswith("25, 25, 25 of 25 components of each receive channel")
    data = content(page)
    assert data["labels"] == ["scan", "halved"] and data["restored"] == [False, True]
    matrix = read_system_matrix(scan)
    for component in data["components"][::7]:
        expected = matrix[component["channel"], component["k"]]
        for image, factor in zip(component["images"], (1.0, 0.5), strict=True):
            parts = unpacked(image).reshape(3, 4, 5, 2) * image["scale"]
            kept = (parts[..., 0] + 1j * parts[..., 1]).transpose(2, 1, 0)
            np.testing.assert_allclose(kept, factor * expected, atol=np.abs(expected).max() / 2**14)
    first, second = data["files"]
    assert first["quantities"]["expected_error"] is None
    assert (unpacked(second["quantities"]["expected_error"]) == 2).all()
    np.testing.assert_allclose(
        unpacked(first["quantities"]["peak"]).reshape(3, 25),
        np.abs(matrix).max(axis=(2, 3, 4)),
        rtol=1e-6,
    )
    assert data["drift"]["label"] == "scan" and len(data["drift"]["times"]) == 13
    assert "halving (denoising)" in page.read_text()


def test_colors_are_those_of_the_figures(scan: Path, tmp_path: Path) -> None:
    write_view(tmp_path / "page.html", [scan])
    colors = content(tmp_path / "page.html")["colors"]
    table = unpacked(colors["complex"]).reshape(MAGNITUDES, PHASES, 3)
    value = 100 / (MAGNITUDES - 1) * np.exp(1j * (-np.pi + 2 * np.pi * 37 / PHASES))
    expected = np.rint(255 * complex_to_rgb(np.array(value), peak=1.0))
    assert np.array_equal(table[100, 37], expected)


def test_page_stays_small_and_says_how_many_components_it_shows(tmp_path: Path) -> None:
    # 19 x 19 x 19 voxels: all images would take 2 MB.
    size = (19, 19, 19)
    n_frames = int(np.prod(size))
    rng = np.random.default_rng(0)
    data = rng.standard_normal((1, 3, 25, n_frames)).astype(np.complex64)
    flags = {"isFourierTransformed": True, "isFastFrameAxis": True, "isBackgroundCorrected": True}
    values = {"calibration": calibration(*size), "acquisition": acquisition(n_frames)}
    path = write_stored(tmp_path / "fine.mdf", data, np.zeros(n_frames, bool), flags, **values)
    shown = gather([path] * 5)
    count = len(shown.rows[0])
    assert 1 < count < 25
    images = 5 * 3 * count * packed_bytes(n_frames)
    assert 0.5 * DATA_BYTES < images < DATA_BYTES
    page = tmp_path / "page.html"
    write_view(page, [path], components=4)
    assert page.stat().st_size < 10e6
    text = " ".join(page.read_text().split())
    assert "12 of 75 components are on this page (4, 4, 4 of 25 in receive channel 0, 1, 2)" in text


def test_any_period_of_a_frame_can_be_shown(scan: Path, tmp_path: Path) -> None:
    path = two_periods(scan, tmp_path / "patches.mdf")
    first, second = (gather([path], period=period) for period in (0, 1))
    # The second period has half the signal, with the channels in reverse.
    np.testing.assert_allclose(
        second.matrices[0].peak, 0.5 * first.matrices[0].peak[::-1], rtol=1e-3
    )
    assert second.drift is not None
    with pytest.raises(InputError, match="period"):
        gather([path], period=2)


def test_wrong_files_are_named_with_a_remedy(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def fault(*arguments: object) -> str:
        assert view(*arguments) == 2
        return capsys.readouterr().err

    assert "absent.mdf" in fault(tmp_path / "absent.mdf", "-o", tmp_path / "a.html")
    measurement = write_raw(tmp_path / "phantom.mdf", raw_signals(1, 4), [False] * 4)
    assert "is a measurement, not a calibration scan" in fault(measurement)
    assert "End it with .html" in fault(scan, "-o", tmp_path / "page.mdf")
    mask = interleaved(12, 5)
    two = write_raw(
        tmp_path / "two.mdf",
        raw_signals(0, len(mask), 2),
        mask,
        calibration=calibration(5, 4, 3),
    )
    assert "has 2 receive channels" in fault(scan, two, "-o", tmp_path / "a.html")
    mask = interleaved(4, 5)
    flat = {"calibration": calibration(5, 4, 1)}
    flat = write_raw(tmp_path / "flat.mdf", raw_signals(0, len(mask)), mask, **flat)
    assert "has a grid of 5 x 4 x 1 voxels" in fault(scan, flat, "-o", tmp_path / "a.html")
    after = restored(scan, tmp_path / "halved.mdf")
    edit(after, "/calibration/_expectedError", np.zeros((1, 3, 7)))
    with pytest.raises(InputError, match="_expectedError"):
        read_matrix(after)
    assert not list(tmp_path.glob("*.html"))


def test_controls_change_what_a_browser_shows(scan: Path, tmp_path: Path) -> None:
    after = restored(scan, tmp_path / "halved.mdf")
    page = tmp_path / "page.html"
    write_view(page, [scan, after])
    with open_browser() as browser:
        browser.open(page)
        assert browser.text("heading").startswith("Receive channel 0,")
        assert len(browser.driver.find_elements("css selector", "#panels canvas")) == 4
        assert "expected error ± 2.00" in browser.text("panels")
        before = browser.pixels()

        heading = browser.text("heading")
        browser.press("ARROW_RIGHT")
        assert browser.text("heading") != heading and browser.pixels() != before
        browser.press("ARROW_LEFT")
        assert browser.text("heading") == heading and browser.pixels() == before
        browser.press("2")
        assert browser.text("heading").startswith("Receive channel 2,")
        browser.press("0")

        place, former = browser.text("slice-place"), browser.pixels()
        top = browser.run("return document.getElementById('slice').value") == "2"
        browser.press("ARROW_DOWN" if top else "ARROW_UP")
        assert browser.text("slice-place") != place and browser.pixels() != former
        browser.set("plane", 1)
        assert browser.text("slice-place").startswith("y = ")

        own = browser.pixels(1)
        browser.set("brightness", "own")
        assert browser.pixels(1) != own
        change = browser.pixels(2)
        browser.set("gain", "10")
        assert browser.pixels(2) != change

        browser.set("order", "1, 0")
        assert "mixing order (1, 0)" in browser.text("heading")
        browser.set("order", "99, 99")
        assert browser.text("message").startswith("No frequency of the file has the mixing order")
        names = browser.run(
            "return document.getElementById('spectrum').data.map((trace) => trace.name)"
        )
        browser.set("quantity", "expected_error")
        after = browser.run(
            "return document.getElementById('spectrum').data.map((trace) => trace.name)"
        )
        assert "scan" in names and "scan" not in after and "halved" in after
        marked = browser.run("return document.getElementById('profile').data.map((t) => t.name)")
        assert "expected error of halved" in marked
        assert browser.run("return document.getElementById('drift-plot').data.length") == 3
        assert browser.console() == []


def test_phantom_is_reconstructed_with_every_file(world, tmp_path: Path) -> None:
    phantom = tmp_path / "phantom.mdf"
    bar = load_phantom([{"points_mm": [[-8, -4, 0], [8, -4, 0]], "radius_mm": 3.0}])
    scan_phantom(
        phantom,
        tmp_path / "truth.h5",
        world.scanner,
        world.sequence,
        world.grid,
        bar,
        frames=7,
        background_frames=4,
        averages=100,
        seed=SEED,
    )
    after = restored(world.calibration, tmp_path / "halved.mdf")
    page = tmp_path / "page.html"
    write_view(page, [world.calibration, after], phantom=phantom)
    before, doubled = (unpacked(r["image"]) for r in content(page)["reconstructions"])
    assert before.max() > 0
    # Half the system matrix gives twice the concentration.
    np.testing.assert_allclose(doubled, 2 * before, atol=1e-4 * before.max())
    with open_browser() as browser:
        browser.open(page)
        assert "largest" in browser.text("images")
        colors = np.reshape(browser.pixels(0, "images"), (-1, 4))[:, :3]
        assert len(np.unique(colors, axis=0)) > 10
        assert browser.console() == []

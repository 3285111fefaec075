"""The numbers that a report opens with."""

from pathlib import Path

import pandas as pd
import pytest

from smrestore.report.headlines import headlines
from smrestore.report.results import SCALE, claims_table

LABELS = {"dct-f": "DCT-F", "rdn": "RDN"}


def write(path: Path, rows: pd.DataFrame) -> Path:
    path.write_text(rows.to_markdown(index=False, disable_numparse=True) + "\n")
    return path


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    verdicts = ["supported", "not supported", "not supported", "not run"]
    claims = write(
        tmp_path / "claims.md",
        pd.DataFrame(
            {
                "claim of the study": list("abcd"),
                "this run": verdicts,
                SCALE: [
                    "set: 3 matrices; RDN: 5 steps",
                    "set: 3 matrices",
                    "other: 2 matrices",
                    "",
                ],
            }
        ),
    )
    columns = ["dimension", "test_set", "method", "sigma", "size_range", "metric"]
    rows = [
        (2, "test", "dct-f", 0.1, "all", "psnr", 23.54, 21.9),
        (2, "test", "rdn", 0.1, "all", "psnr", 31.26, 37.5),
        (2, "test", "rdn", 0.06, "all", "psnr", 40.0, 40.6),
        (3, "test-3d", "rdn", 0.1, "all", "psnr", 50.0, None),
    ]
    numbers = pd.DataFrame(rows, columns=[*columns, "mean", "paper_mean"])
    numbers.to_csv(tmp_path / "table2.csv", index=False)
    rows = [
        ("measured", "Measured", "all", 27.26, 18.77),
        ("dct-f", "DCT-F", "all", 28.4, 19.7),
        ("rdn", "RDN", "all", 30.9, 21.2),
        ("rdn", "RDN", "snr", 99.0, None),
        ("truth", "Truth", "all", None, 22.12),
    ]
    other = [
        ("measured", "Measured", "all", 20.0, 15.0),
        ("dct-f", "DCT-F", "all", 29.0, 14.0),
        # The better image, by a method that restores components less well.
        ("rdn", "RDN", "all", 28.0, 18.0),
    ]
    names = ["variant", "method", "by", "component_psnr_dB", "image_psnr_dB"]
    for scan, values in (("snake", rows), ("nested", other)):
        table = pd.DataFrame(values, columns=names)
        table.to_csv(tmp_path / f"transfer-{scan}.csv", index=False)
    row = {
        "scan": "cube",
        "task": "accelerated-calibration",
        "measured": "100 positions",
        "takes": "35.9 min",
        "instead of": "567 positions",
        "which takes": "3.39 h",
    }
    times = write(
        tmp_path / "calibration-time.md", pd.DataFrame([row | {"task": "denoising"}, row])
    )
    others = (f"{name}.md" for name in ("table2", "transfer-snake", "transfer-nested"))
    return [claims, *(tmp_path / name for name in others), times]


def test_five_numbers_say_what_they_rest_on(tables: list[Path]) -> None:
    found = headlines(tables, LABELS, ["dct-f"])
    assert [headline.value for headline in found] == [
        "1 of 4",
        "31.3 dB",
        "+3.6 to +9.0 dB",
        "−1.0 to +2.4 dB",
        "35.9 min instead of 3.39 h",
    ]
    assert found[0].meaning.endswith("at its scale; 2 not supported, 1 not run")
    assert "RDN, the best of 2 methods; DCT-F reaches 23.5 dB" in found[1].meaning
    assert "2 virtual scans, each by the method that" in found[2].meaning
    assert "least on snake by RDN; most on nested by DCT-F" in found[2].meaning
    assert "least on nested by DCT-F; most on snake by RDN" in found[3].meaning


def test_what_a_run_lacks_is_left_out(tables: list[Path], tmp_path: Path) -> None:
    assert headlines([], LABELS, []) == []
    (tmp_path / "table2.csv").unlink()
    (tmp_path / "transfer-nested.csv").unlink()
    rows = pd.read_csv(tmp_path / "transfer-snake.csv")
    rows["image_psnr_dB"] = None
    rows.to_csv(tmp_path / "transfer-snake.csv", index=False)
    assert [headline.value for headline in headlines(tables[2:3], LABELS, [])] == ["+3.6 dB"]
    assert len(headlines(tables, LABELS, ["dct-f"])) == 3
    # Without a published classical method there is nothing to compare with.
    assert len(headlines(tables, LABELS, [])) == 3


def test_scale_is_said_once_below_the_verdicts(tables: list[Path]) -> None:
    table = claims_table(tables[0])
    assert SCALE not in table.parts[0][1]
    assert table.notes.startswith(
        "Scale of this run: set: 3 matrices; RDN: 5 steps; other: 2 matrices."
    )

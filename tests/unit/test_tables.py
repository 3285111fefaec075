"""Tables: means by hand, and each published value beside the number it belongs to."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from smrestore.errors import InputError
from smrestore.report import read_table
from smrestore.tables import compare, layout, make_table, read_published, summarize

PUBLISHED = Path(__file__).parents[2] / "workflow" / "published" / "tables.csv"
LABELS = {"dct-f": "DCT-F", "net": "A_net & 50 % {β} #1 $^~\\"}


def evaluation(method, values):
    """Return rows of a method; ``values`` is sigma -> PSNR of each component."""
    return pd.DataFrame(
        [
            {"method": method, "sigma": sigma, "psnr": psnr, "ssim": psnr / 100}
            for sigma, row in values.items()
            for psnr in row
        ]
    )


ROWS = pd.concat(
    [
        evaluation("net", {0.1: [30.0, 34.0, 32.0], 0.06: [40.0, 41.0]}),
        evaluation("dct-f", {0.1: [20.0, 22.0], 0.06: [25.0, 26.0]}),
    ]
)


def select(table, method, sigma, metric="psnr"):
    (row,) = table.query("method == @method and sigma == @sigma and metric == @metric").itertuples()
    return row


def summary(rows=ROWS):
    return summarize(rows, number=2, task="denoising", dimension=2)


def write(tmp_path, rows=ROWS, **changes):
    paths = []
    for method, part in rows.groupby("method"):
        paths.append(tmp_path / f"{method}.csv")
        part.to_csv(paths[-1], index=False)
    arguments = {
        "number": 2,
        "task": "denoising",
        "dimension": 2,
        "published_names": {"dct-f": "dct-f"},
        "labels": LABELS,
        "caption": "Denoising & more.",
        "csv": tmp_path / "t.csv",
        "markdown": tmp_path / "t.md",
        "latex": tmp_path / "t.tex",
        **changes,
    }
    make_table(paths, PUBLISHED, **arguments)
    return pd.read_csv(tmp_path / "t.csv")


def test_mean_interval_and_count_by_hand():
    row = select(summary(), "net", 0.1)
    assert row.mean == pytest.approx(32.0)
    # Deviations -2, 2, 0: s = 2 with Bessel's correction.
    assert row.ci95 == pytest.approx(1.96 * 2 / np.sqrt(3))
    assert row.n == 3
    ssim = select(summary(), "dct-f", 0.06, "ssim")
    assert (ssim.mean, ssim.n) == (pytest.approx(0.255), 2)
    assert ssim.ci95 == pytest.approx(1.96 * 0.01 / np.sqrt(2) / np.sqrt(2))
    assert len(summary()) == 8


def test_published_values_stand_beside_their_own_rows():
    table = compare(summary(), read_published(PUBLISHED), {"dct-f": "dct-f", "net": "dncnn"})
    assert len(table) == len(summary())
    for method, sigma, metric, mean, ci95 in (
        ("dct-f", 0.1, "psnr", 21.9, 0.1),
        ("dct-f", 0.06, "ssim", 0.841, 0.009),
        ("net", 0.1, "psnr", 35.7, 0.3),
        ("net", 0.06, "psnr", 38.9, 0.3),
    ):
        row = select(table, method, sigma, metric)
        assert (row.paper_mean, row.paper_ci95) == (mean, ci95)
    # Our own numbers stay where they were.
    pd.testing.assert_frame_equal(table[summary().columns], summary())


def test_dimension_and_table_choose_other_published_values():
    published = read_published(PUBLISHED)
    spatial = summarize(ROWS, number=2, task="denoising", dimension=3)
    row = select(compare(spatial, published, {"dct-f": "dct-f"}), "dct-f", 0.1)
    assert row.paper_mean == 25.23
    elsewhere = summarize(ROWS, number=5, task="denoising", dimension=2)
    assert compare(elsewhere, published, {"dct-f": "dct-f"})["paper_mean"].isna().all()


def test_method_and_level_without_published_value_stay_empty(tmp_path):
    rows = pd.concat([ROWS, evaluation("dct-f", {0.15: [21.0, 22.0]})])
    table = write(tmp_path, rows)
    assert select(table, "dct-f", 0.06).paper_mean == 25.0
    assert np.isnan(select(table, "dct-f", 0.15).paper_mean)
    assert table.query("method == 'net'")["paper_mean"].isna().all()
    readable = read_table(tmp_path / "t.md")
    assert readable[readable["method"] != "DCT-F"]["study"].eq("").all()
    assert "nan" not in (tmp_path / "t.md").read_text().lower()


def test_columns_are_those_of_the_published_table_and_ours(tmp_path):
    table = write(tmp_path)
    published = pd.read_csv(PUBLISHED).columns.tolist()
    assert table.columns.tolist() == [*published, "n", "paper_mean", "paper_ci95"]
    assert (table["test_set"] == "test").all()
    assert (table["size_range"] == "all").all()


def test_markdown_holds_every_number_once(tmp_path):
    write(tmp_path)
    text = (tmp_path / "t.md").read_text()
    assert text.startswith("Table 2. Denoising & more. Mean with 95 % confidence interval")
    table = read_table(tmp_path / "t.md")
    assert table.columns.tolist() == ["metric", "σ", "method", "this run", "n", "study"]
    assert len(table) == 8
    assert table["metric"].tolist() == ["PSNR in dB"] * 4 + ["SSIM"] * 4
    assert table["σ"].tolist() == ["0.06", "0.06", "0.1", "0.1"] * 2
    first = table[(table["σ"] == "0.1") & (table["method"] == "DCT-F")].iloc[0]
    assert first["this run"] == "21.00 ± 1.96"
    assert first["study"] == "21.90 ± 0.10"
    assert first["n"] == "2"
    assert len({line.count("|") for line in text.splitlines() if "|" in line}) == 1


def test_latex_is_escaped_and_complete(tmp_path):
    write(tmp_path)
    text = (tmp_path / "t.tex").read_text()
    assert text.isascii() or set(re.findall(r"[^\x00-\x7f]", text)) == {"β"}
    for begin in re.findall(r"\\begin\{(\w+)\}", text):
        assert text.count(rf"\begin{{{begin}}}") == text.count(rf"\end{{{begin}}}")
    assert r"\caption{Table 2. Denoising \& more. Mean with 95 \% confidence" in text
    assert r"\label{tab:2}" in text
    assert (
        r"A\_net \& 50 \% \{β\} \#1 \$\textasciicircum{}\textasciitilde{}\textbackslash{}" in text
    )
    assert r"21.00 $\pm$ 1.96" in text
    (header,) = [line for line in text.splitlines() if line.startswith("metric")]
    assert r"$\sigma$" in header
    body = [line for line in text.splitlines() if line.endswith(r"\\") and line != header]
    assert len(body) == 8
    for line in [header, *body]:
        assert len(re.findall(r"(?<!\\)&", line)) == 5


def test_table_of_a_perfect_method_is_still_a_table():
    rows = evaluation("dct-f", {0.1: [np.inf, 30.0]})
    table = compare(summary(rows), read_published(PUBLISHED), {})
    cells = layout(table, LABELS)
    assert cells["this run"][0].startswith("inf")


def test_faulty_inputs_are_named(tmp_path):
    pd.DataFrame(columns=ROWS.columns).to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(InputError, match=r"empty\.csv: no rows"):
        make_table(
            [tmp_path / "empty.csv"],
            PUBLISHED,
            number=2,
            task="denoising",
            dimension=2,
            published_names={},
            labels=LABELS,
            caption="",
            csv=tmp_path / "t.csv",
            markdown=tmp_path / "t.md",
            latex=tmp_path / "t.tex",
        )
    assert not (tmp_path / "t.csv").exists()
    pd.read_csv(PUBLISHED).drop(columns="ci95").to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError, match=r"p\.csv: ci95: column is missing"):
        read_published(tmp_path / "p.csv")

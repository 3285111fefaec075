"""Tables: means by hand, and each published value beside the number it belongs to."""

import re

import numpy as np
import pandas as pd
import pytest

from checkout import ROOT
from smrestore.evaluation.layout import as_printed, layout
from smrestore.evaluation.tables import TabulatedSet, compare, make_table, read_published, summarize
from smrestore.report.markdown import read_markdown
from smrestore.support.errors import InputError

PUBLISHED = ROOT / "workflow" / "published" / "tables.csv"
LABELS = {"dct-f": "DCT-F", "net": "A_net & 50 % {β} #1 $^~\\"}
PLANE = TabulatedSet("plane", "denoising", 2, "complex")


def evaluation(method, values, size=(8, 8, 1), test_set="plane", **more):
    """Return rows of a method; ``values`` is sigma -> PSNR of each component."""
    sides = dict(zip(("size_x", "size_y", "size_z"), size, strict=True))
    return pd.DataFrame(
        [
            {"test_set": test_set, "method": method, **sides, "sigma": sigma, "scale": 1, **more}
            | {"psnr": psnr, "ssim": psnr / 100}
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


def select(table, method, sigma, metric="psnr", size_range="all"):
    (row,) = table.query(
        "method == @method and sigma == @sigma and metric == @metric and size_range == @size_range"
    ).itertuples()
    return row


def summary(rows=ROWS, test_set=PLANE, number=2, **options):
    return summarize(rows, test_set, number=number, **options)


def write(tmp_path, rows=ROWS, **changes):
    paths = []
    for (test_set, method), part in rows.groupby(["test_set", "method"]):
        paths.append(tmp_path / f"{test_set}-{method}.csv")
        part.to_csv(paths[-1], index=False)
    arguments = {
        "number": 2,
        "test_sets": [vars(PLANE)],
        "size_ranges": [],
        "published_names": {"dct-f": "dct-f"},
        "labels": LABELS,
        "alignments": {},
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


def test_difference_is_ours_minus_theirs_by_hand():
    table = compare(summary(), read_published(PUBLISHED), {"dct-f": "dct-f"})
    row = select(table, "dct-f", 0.1)
    assert row.difference == pytest.approx(21.0 - 21.9)
    # Ours: 21 ± 1.96 * sqrt(2) / sqrt(2); theirs: ± 0.1.
    assert row.difference_ci95 == pytest.approx(np.sqrt(1.96**2 + 0.1**2))


@pytest.mark.parametrize(
    ("number", "test_set", "rows", "method", "sigma", "size_range", "expected"),
    [
        (2, ("denoising", 3, None), {}, "dct-f", 0.1, "all", 25.23),
        (3, ("accelerated-calibration", 3, None), {"scale": 2}, "tricubic", 0.1, "all", 17.86),
        (3, ("accelerated-calibration", 3, None), {"scale": 2}, "smrnet", 0.0, "(18, 24]", 19.4),
        (4, ("upsampling", 2, None), {"scale": 2}, "smrnet", 0.0, "all", 54.0),
        (4, ("upsampling", 2, None), {"scale": 4}, "smrnet", 0.0, "all", 52.4),
        (5, ("inpainting", 3, None), {}, "pconvunet", 0.1, "(18, 24]", 22.0),
        (6, ("denoising", 2, "fluid"), {}, "rdn-langevin", 0.2, "all", 26.2),
        (2, ("denoising", 2, "fluid"), {}, "rdn", 0.2, "all", np.nan),
        (5, ("denoising", 2, None), {}, "rdn", 0.2, "all", np.nan),
    ],
)
def test_every_table_finds_its_published_values(
    number, test_set, rows, method, sigma, size_range, expected
):
    task, dimension, state = test_set
    made = evaluation(method, {sigma: [20.0, 30.0]}, (20, 24, 18), **rows)
    tabulated = TabulatedSet("plane", task, dimension, "complex", state)
    limits = [[12, 18], [18, 24], [24, 30]]
    found = summarize(made, tabulated, number=number, size_ranges=limits)
    row = select(
        compare(found, read_published(PUBLISHED), {method: method}),
        method,
        sigma,
        size_range=size_range,
    )
    assert row.paper_mean == pytest.approx(expected, nan_ok=True)


def test_average_sizes_belong_to_one_range_each():
    rows = pd.concat(
        [
            evaluation("net", {0.0: [1.0, 3.0]}, (4, 4, 4)),  # average 4: the lower limit
            evaluation("net", {0.0: [10.0]}, (4, 5, 6)),
            evaluation("net", {0.0: [20.0, 22.0]}, (8, 8, 8)),  # average 8: the upper limit
            evaluation("net", {0.0: [50.0]}, (8, 8, 9)),
        ]
    )
    space = TabulatedSet("plane", "inpainting", 3, "complex")
    table = summarize(rows, space, number=5, size_ranges=[[4, 8], [8, 12], [12, 18]])
    psnr = table[table["metric"] == "psnr"].set_index("size_range")
    assert psnr["n"].to_dict() == {"(4, 8]": 3, "(8, 12]": 1, "all": 6}
    assert psnr.loc["(4, 8]", "mean"] == pytest.approx(52 / 3)
    assert psnr.loc["all", "mean"] == pytest.approx(106 / 6)
    # In 2D the third axis plays no part.
    plane = summary(evaluation("net", {0.0: [1.0]}, (10, 12, 1)), size_ranges=[[10, 11]])
    assert set(plane["size_range"]) == {"(10, 11]", "all"}


def test_method_and_level_without_published_value_stay_empty(tmp_path):
    rows = pd.concat([ROWS, evaluation("dct-f", {0.15: [21.0, 22.0]})])
    table = write(tmp_path, rows)
    assert select(table, "dct-f", 0.06).paper_mean == 25.0
    assert np.isnan(select(table, "dct-f", 0.15).paper_mean)
    assert table.query("method == 'net'")["paper_mean"].isna().all()
    assert "nan" not in (tmp_path / "t.md").read_text().lower()
    assert "nan" not in (tmp_path / "t.tex").read_text().lower()


def test_columns_are_those_of_the_published_table_and_ours(tmp_path):
    table = write(tmp_path)
    published = pd.read_csv(PUBLISHED).columns.tolist()
    added = ["n", "paper_mean", "paper_ci95", "difference", "difference_ci95"]
    assert table.columns.tolist() == [*published, *added]
    assert (table["test_set"] == "test").all()
    assert (table["size_range"] == "all").all()


def test_markdown_holds_every_number_once(tmp_path):
    write(tmp_path)
    page = read_markdown(tmp_path / "t.md")
    assert page.before == "Table 2. Denoising & more."
    ((title, table),) = page.tables
    assert title == ""
    assert table.columns.tolist() == ["metric", "σ", "n", "value", "DCT-F", LABELS["net"]]
    assert table["value"].tolist() == ["this run", "study", "difference"] * 4
    assert table["metric"].tolist()[::3] == ["PSNR in dB"] * 2 + ["SSIM"] * 2
    assert table["σ"].tolist()[::3] == ["0.06", "0.1"] * 2
    ours, study, difference = table["DCT-F"].tolist()[3:6]
    assert ours == "21.00 ± 1.96"
    assert study == "21.9 ± 0.1"
    assert difference == "-0.90 ± 1.96"
    assert table[LABELS["net"]].tolist()[3:6] == ["32.00 ± 2.26", "", ""]
    assert "standard deviation of the complex noise" in page.after
    assert "independent means" in page.after


def test_test_sets_are_blocks_with_their_own_methods(tmp_path):
    rows = pd.concat(
        [
            evaluation("bicubic", {0.0: [30.0, 31.0]}, test_set="x2", scale=2),
            evaluation("smrnet-x2", {0.0: [50.0, 51.0]}, test_set="x2", scale=2),
            evaluation("bicubic", {0.0: [20.0, 21.0]}, test_set="x4", scale=4),
            evaluation("smrnet-x4", {0.0: [40.0, 41.0]}, test_set="x4", scale=4),
        ]
    )
    table = write(
        tmp_path,
        rows,
        number=4,
        test_sets=[
            {"name": n, "task": "upsampling", "dimension": 2, "sigma_convention": "per-channel"}
            for n in ("x2", "x4")
        ],
        published_names={"bicubic": "bicubic", "smrnet-x2": "smrnet", "smrnet-x4": "smrnet"},
        labels={"bicubic": "Bicubic", "smrnet-x2": "SMRnet", "smrnet-x4": "SMRnet"},
        alignments={"bicubic": "aligned"},
    )
    psnr = table[table["metric"] == "psnr"].set_index("method")
    for method, scale, paper in (("smrnet-x2", 2, 54.0), ("smrnet-x4", 4, 52.4)):
        row = psnr.loc[method]
        assert (row.scale, row.paper_mean) == (scale, paper)
    page = read_markdown(tmp_path / "t.md")
    assert [title for title, _ in page.tables] == ["2D, ×2", "2D, ×4"]
    for _, block in page.tables:
        assert block.columns.tolist()[-2:] == ["Bicubic", "SMRnet"]
    assert "at voxels 0, s, 2s, ... (aligned)" in page.after
    assert "its real and of its imaginary part each" in page.after
    text = (tmp_path / "t.tex").read_text()
    assert text.count(r"\begin{tabular}") == 2
    assert r"{2D, $\times$2}" in text


def test_size_ranges_are_explained_where_the_study_has_none(tmp_path):
    rows = pd.concat(
        [
            evaluation("biharmonic", {0.0: [30.0, 31.0]}, size, psnr_missing=9.0)
            for size in ((4, 6, 5), (20, 20, 20), (40, 40, 40), (41, 40, 40))
        ]
    )
    fields = {"task": "inpainting", "dimension": 3, "sigma_convention": "complex"}
    table = write(
        tmp_path,
        rows,
        number=5,
        test_sets=[{"name": "plane", **fields}],
        size_ranges=[[4, 8], [8, 12], [18, 24]],
        published_names={"biharmonic": "biharmonic"},
        labels={"biharmonic": "Biharmonic"},
    )
    sizes = table.query("metric == 'psnr_missing'").set_index("size_range")
    assert sizes["n"].to_dict() == {"(4, 8]": 2, "(18, 24]": 2, "all": 8}
    assert sizes["paper_mean"].isna().all()
    page = read_markdown(tmp_path / "t.md")
    for text in (
        "50% of the components lie in no range",
        "No component lies in (8, 12].",
        "The study has no values for (4, 8], and",
        "PSNR of missing voxels counts these alone",
    ):
        assert text in page.after
    ((_, block),) = page.tables
    assert "PSNR of missing voxels in dB" in set(block["metric"])
    named = block[(block["metric"] == "PSNR in dB") & (block["size"] != "")]
    assert named["size"].tolist() == ["(4, 8]", "(18, 24]", "all"]
    assert block["Biharmonic"].tolist()[:3] == ["30.50 ± 0.98", "30.50 ± 0.98", "31.4 ± 0.5"]


def test_latex_is_escaped_and_complete(tmp_path):
    write(tmp_path)
    text = (tmp_path / "t.tex").read_text()
    assert text.isascii() or set(re.findall(r"[^\x00-\x7f]", text)) == {"β"}
    for begin in re.findall(r"\\begin\{(\w+)\}", text):
        assert text.count(rf"\begin{{{begin}}}") == text.count(rf"\end{{{begin}}}")
    assert r"\caption{Table 2. Denoising \& more.}" in text
    assert r"\label{tab:2}" in text
    assert (
        r"A\_net \& 50 \% \{β\} \#1 \$\textasciicircum{}\textasciitilde{}\textbackslash{}" in text
    )
    # The best method of a row is bold.
    assert r"21.00 $\pm$ 1.96 & \textbf{32.00 $\pm$ 2.26} \\" in text
    (header,) = [line for line in text.splitlines() if line.startswith("metric")]
    assert r"$\sigma$" in header
    body = [line for line in text.splitlines() if line.endswith(r"\\") and line != header]
    assert len(body) == 12
    for line in [header, *body]:
        assert len(re.findall(r"(?<!\\)&", line)) == 5


def test_published_values_keep_their_digits():
    assert as_printed(25.0, 0.1) == "25.0 ± 0.1"
    assert as_printed(28.01, 0.08) == "28.01 ± 0.08"
    assert as_printed(38.3, 0.09) == "38.30 ± 0.09"
    assert as_printed(0.9876, 0.0008) == "0.9876 ± 0.0008"
    assert as_printed(np.nan, np.nan) == ""


def test_table_of_a_perfect_method_is_still_a_table():
    rows = evaluation("dct-f", {0.1: [np.inf, 30.0]})
    (block,) = layout(compare(summary(rows), read_published(PUBLISHED), {}), LABELS)
    assert block.rows["DCT-F"][0].startswith("inf")


def test_faulty_inputs_are_named(tmp_path):
    pd.DataFrame(columns=ROWS.columns).to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(InputError, match=r"empty\.csv: no rows"):
        make_table(
            [tmp_path / "empty.csv"],
            PUBLISHED,
            number=2,
            test_sets=[vars(PLANE)],
            size_ranges=[],
            published_names={},
            labels=LABELS,
            alignments={},
            caption="",
            csv=tmp_path / "t.csv",
            markdown=tmp_path / "t.md",
            latex=tmp_path / "t.tex",
        )
    assert not (tmp_path / "t.csv").exists()
    pd.read_csv(PUBLISHED).drop(columns="ci95").to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError, match=r"p\.csv: ci95: column is missing"):
        read_published(tmp_path / "p.csv")

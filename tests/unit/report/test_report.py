"""The report: one page, complete, safe and without anything from elsewhere."""

import json
import re
from html.parser import HTMLParser

import docutils.core
import pandas as pd
import pytest
from browser import open_browser

from checkout import ROOT
from smrestore.figures.style import journal_style, new_figure, save
from smrestore.report.headlines import Headline
from smrestore.report.markdown import read_table
from smrestore.report.page import (
    Opening,
    Picture,
    Section,
    Table,
    flatten,
    read_caption,
    read_run_times,
    write_report,
)
from smrestore.support.errors import InputError

CAPTIONS = ROOT / "workflow" / "report"


class Page(HTMLParser):
    """Collects text, cells and the targets of links and images; fails on tags left open."""

    VOID = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self, html):
        super().__init__()
        self.open, self.targets, self.cells, self.texts = [], [], [], []
        self.feed(html.replace("\u00a0", " "))
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.targets += [value for key, value in attrs if key in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


@pytest.fixture
def picture(tmp_path):
    pdf, png = tmp_path / "figures" / "f.pdf", tmp_path / "figures" / "f.png"
    with journal_style():
        save(new_figure(85, 20), pdf, png)
    return Picture("Figure 1", png, pdf, "What it shows.")


def test_page_holds_everything_and_needs_nothing_else(tmp_path, picture):
    rows = pd.DataFrame({"method": ["DCT-F"], "PSNR in dB": ["21.90 ± 0.10"]})
    write_report(
        tmp_path / "report.html",
        title="A <b>run</b>",
        settings={"seed": 3, "datasets": {"small": {"sizes": [8, 9]}}, "note": "<script>"},
        sections=[Section("Results", "First.\n\nSecond.", [Table("Table 2", rows)], [picture])],
        run_times=pd.DataFrame({"stage": ["training"], "total time (s)": ["12.0"]}),
    )
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert "A <b>run</b>" in page.texts
    assert html.count("<script") == 1 and "<script>" in html
    for cell in ("DCT-F", "21.90 ± 0.10", "training", "12.0", "datasets.small.sizes"):
        assert cell in page.cells
    assert {"[8, 9]", "<script>", "3"} <= set(page.cells)
    assert {"First.", "Second.", "What it shows."} <= set(page.texts)
    anchors = [target for target in page.targets if target.startswith("#")]
    assert all(f'id="{anchor[1:]}"' in html for anchor in anchors)
    (image,) = [target for target in page.targets if target.startswith("data:image/png;base64,")]
    others = set(page.targets) - set(anchors) - {image}
    assert others == {"figures/f.pdf"}
    assert "://" not in html


def test_parts_of_a_table_have_titles_and_long_ones_are_folded(tmp_path):
    path = tmp_path / "report.html"
    rows = pd.DataFrame({"a": ["30.1 ± 0.1"]})
    parts = [("short", rows), ("long", pd.concat([rows] * 50))]
    table = Table("Table 9", parts, "Above.", "Below.", [tmp_path / "tables" / "t.csv"])
    write_report(path, title="t", settings={}, sections=[Section("s", tables=[table])])
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert {"short", "long (50 rows)", "Above.", "Below.", "CSV"} <= set(page.texts)
    assert page.cells.count("30.1 ± 0.1") == 51
    # Numbers and their intervals stay on one line.
    assert "30.1\u00a0±\u00a00.1" in html
    assert "tables/t.csv" in page.targets


def test_first_screen_has_text_picture_and_numbers(tmp_path, picture):
    path = tmp_path / "report.html"
    numbers = [Headline("3 of 22", "claims are supported")]
    write_report(
        path,
        title="t",
        settings={},
        sections=[
            Section("Tables", tables=[Table("Table 4. Upsampling", pd.DataFrame({"a": ["1"]}))]),
            Section("More", "Text.", folded="9 settings differ"),
        ],
        opening=Opening("What it is.\n\nWhat was done.", picture, numbers),
    )
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    texts = [text for text in page.texts if text.strip()]
    first = [
        texts.index(t) for t in ("What it is.", "What it shows.", "3 of 22", "Table 4. Upsampling")
    ]
    assert first == sorted(first)
    # A reader gets to table 4 by its number.
    assert texts[texts.index("Tables") + 1] == "4"
    assert "#table-1-1" in page.targets and 'id="table-1-1"' in html
    assert "<summary>9 settings differ</summary>" in html


def test_verdicts_have_marks(tmp_path):
    path = tmp_path / "report.html"
    rows = pd.DataFrame({"claim": ["a", "b"], "this run": ["supported", "not decided"]})
    write_report(path, title="t", settings={}, sections=[Section("s", tables=[Table("c", rows)])])
    html = path.read_text(encoding="utf-8")
    assert '<td class="verdict yes">supported</td>' in html
    assert '<td class="verdict open">not decided</td>' in html


def test_tables_are_sorted_and_columns_hidden_in_a_browser(tmp_path):
    rows = pd.DataFrame(
        {
            "metric": ["PSNR", "", "SSIM", ""],
            "σ": ["0.1", "", "0.2", ""],
            "value": ["this run", "study", "this run", "study"],
            "DCT-F": ["23.1 ± 0.1", "21.9", "9.5 ± 0.2", "8.0"],
            "RDN": ["30.0", "31.0", "", ""],
        }
    )
    sections = [
        Section("Tables", tables=[Table("Table 4. Upsampling", rows)]),
        Section("Scale", "Reduced.", folded="9 settings differ"),
    ]
    path = tmp_path / "report.html"
    write_report(path, title="t", settings={}, sections=sections)
    with open_browser() as browser:
        browser.driver.get(path.as_uri())

        def click(selector, number=0):
            browser.run(
                "document.querySelectorAll(arguments[0])[arguments[1]].click()", selector, number
            )

        def shown(column):
            cells = f"#section-1 td:nth-child({column}):not(.off)"
            return browser.run(
                "return Array.from(document.querySelectorAll(arguments[0]), (c) => c.innerText)",
                cells,
            )

        assert shown(4)[0].startswith("23.1")
        click("#section-1 th", 3)
        # The values of the study stay below those of this run.
        assert [text.split("\u00a0")[0] for text in shown(4)] == ["9.5", "8.0", "23.1", "21.9"]
        click("#section-1 th", 3)
        assert shown(3) == ["this run", "study"] * 2 and shown(4)[1] == "21.9"
        click("#section-1 .columns input", 4)
        assert shown(5) == [] and len(shown(4)) == 4
        browser.run("location.hash = 'section-2'")
        folded = "return document.querySelector('#section-2 details').open"
        browser.wait(lambda: browser.run(folded))
        assert browser.console() == []


def test_report_without_optional_parts(tmp_path):
    path = tmp_path / "report.html"
    write_report(path, title="t", settings={}, sections=[])
    assert "Run times" not in set(Page(path.read_text(encoding="utf-8")).texts)


def test_broken_picture_is_named_and_a_former_report_survives(tmp_path):
    path, png = tmp_path / "report.html", tmp_path / "f.png"
    path.write_text("former")
    png.write_bytes(b"GIF89a")
    with pytest.raises(InputError, match=r"f\.png.*no PNG"):
        write_report(
            path, title="t", settings={}, sections=[Section("s", pictures=[Picture("f", png)])]
        )
    assert path.read_text() == "former"


def test_tables_are_read_from_csv_and_markdown_as_text(tmp_path):
    (tmp_path / "t.csv").write_text("method,mean\nDCT-F,21.90\nnone,\n")
    (tmp_path / "t.md").write_text(
        "Table 2. Denoising.\n\n| method   | mean  |\n|:---------|------:|\n| DCT-F    | 21.90 |\n"
        "| none     |       |\n"
    )
    expected = pd.DataFrame({"method": ["DCT-F", "none"], "mean": ["21.90", ""]})
    for name in ("t.csv", "t.md"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), expected)
    (tmp_path / "t.md").write_text("nothing")
    with pytest.raises(InputError, match=r"t\.md.*no table"):
        read_table(tmp_path / "t.md")


def test_run_times_are_summed_by_stage(tmp_path):
    for name, seconds, memory in (("a/0", 2.0, 100), ("a/1", 3.5, 300), ("b/x/0", 1.0, "NA")):
        path = tmp_path / "benchmarks" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"s": seconds, "max_rss": memory}) + "\n")
    table = read_run_times(sorted(tmp_path.rglob("*.jsonl")))
    assert table.to_numpy().tolist() == [
        ["a", 2, "5.5", "3.5", "300"],
        ["b", 1, "1.0", "1.0", "0"],
    ]
    path.write_text("{}")
    with pytest.raises(InputError, match="no benchmark"):
        read_run_times([path])


def test_settings_are_flattened():
    assert flatten({"a": {"b": True, "c": [1, "x"]}, "d": "text"}) == {
        "a.b": "true",
        "a.c": '[1, "x"]',
        "d": "text",
    }


@pytest.mark.parametrize("path", sorted(CAPTIONS.glob("*.rst")), ids=lambda path: path.stem)
def test_captions_are_plain_restructured_text(path):
    wildcards = {"experiment": "dncnn", "measurement": "snake"}
    for given in ({}, wildcards):
        caption = read_caption(path, config={"seed": 1}, wildcards=given)
        assert caption and "{" not in caption
        body = docutils.core.publish_parts(
            caption, writer="html", settings_overrides={"halt_level": 2}
        )["body"]
        # The report shows captions as text, so markup would appear as characters.
        assert set(re.findall(r"</?([a-z]+)", body)) <= {"p", "main"}


def test_captions_fill_in_wildcards():
    caption = read_caption(CAPTIONS / "training_curve.rst", wildcards={"experiment": "dncnn-2d"})
    assert "dncnn-2d" in caption

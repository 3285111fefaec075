"""The report: one HTML page with the settings, tables, figures and run times of a workflow run."""

import base64
import json
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path, provenance

LONG = 40
"""Rows from which on a part of a table is folded."""
PNG_DPI = 300
"""Resolution of the figures; gives them their printed size on the page."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table of the report, or several parts of one under their titles.

    Attributes
    ----------
    title
        Heading.
    rows
        As shown; parts by their titles, an empty one for a part without.
    caption, notes
        Above and below, one paragraph per blank line.
    files
        The same in other formats, which are linked.
    """

    title: str
    rows: pd.DataFrame | Sequence[tuple[str, pd.DataFrame]]
    caption: str = ""
    notes: str = ""
    files: Sequence[str | Path] = ()

    @property
    def parts(self) -> Sequence[tuple[str, pd.DataFrame]]:
        """The parts, a single one without title if there are no others."""
        return [("", self.rows)] if isinstance(self.rows, pd.DataFrame) else self.rows


@dataclass(frozen=True, eq=False)
class MarkdownPage:
    """A Markdown file of tables.

    Attributes
    ----------
    before, after
        Paragraphs before the first and after the last table.
    tables
        Title and rows as text of each; the title is a paragraph in bold right above.
    """

    before: str
    tables: tuple[tuple[str, pd.DataFrame], ...]
    after: str


@dataclass(frozen=True)
class Picture:
    """A figure of the report: a PNG, which is embedded, and optionally a PDF, which is linked."""

    title: str
    png: str | Path
    pdf: str | Path | None = None
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with text, tables and figures, in this order."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table from CSV, or the first table of a Markdown file (``.md``), as text.

    Raises
    ------
    InputError
        The file is missing or holds no table.
    """
    path = Path(path)
    if path.suffix == ".md":
        return read_markdown(path).tables[0][1]
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"no table ({error})", path=path, remedy="make the table again") from None


def read_markdown(path: str | Path) -> MarkdownPage:
    """Read the tables and paragraphs of a Markdown file.

    Raises
    ------
    InputError
        The file is missing or holds no table.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        parts = [part.strip() for part in text.split("\n\n") if part.strip()]
        places = [i for i, part in enumerate(parts) if part.startswith("|")]
        tables = []
        for place in places:
            above = parts[place - 1] if place else ""
            bold = above.startswith("**") and above.endswith("**")
            tables.append((above.strip("*") if bold else "", _markdown_table(parts[place])))
        if not tables:
            raise ValueError("no line starts with |")
    except (OSError, ValueError) as error:
        raise InputError(f"no table ({error})", path=path, remedy="make the table again") from None
    first = places[0] - (1 if tables[0][0] else 0)
    after = "\n\n".join(parts[places[-1] + 1 :])
    return MarkdownPage("\n\n".join(parts[:first]), tuple(tables), after)


def read_caption(
    path: str | Path,
    *,
    config: Mapping[str, object] | None = None,
    wildcards: Mapping[str, str] | None = None,
) -> str:
    """Return a caption with its variables filled in, as Snakemake does for its own report.

    Raises
    ------
    InputError
        The file is missing or not a Jinja template.
    """
    context = {"config": config or {}, "wildcards": wildcards or {}}
    try:
        template = jinja2.Template(Path(path).read_text(encoding="utf-8"))
        return template.render(snakemake=context).strip()
    except (OSError, jinja2.TemplateError) as error:
        raise InputError(f"no caption ({error})", path=path, remedy="restore the file") from None


def read_run_times(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Sum up Snakemake benchmark files (``.jsonl``) per stage.

    Parameters
    ----------
    paths
        Files below a folder ``benchmarks``; the folder below that is the stage.

    Returns
    -------
    pd.DataFrame
        One row per stage, in the order of the files: number of jobs, total and longest time in s,
        largest resident memory in MiB.

    Raises
    ------
    InputError
        A file is missing or holds no benchmark.
    """
    stages: dict[str, list[tuple[float, float]]] = {}
    for path in map(Path, paths):
        try:
            records = [json.loads(line) for line in path.read_text().splitlines()]
            measured = [(float(r["s"]), _number(r["max_rss"])) for r in records]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"no benchmark ({error!r})", path=path, remedy="run the job again"
            ) from None
        folders = path.parts[:-1]
        below = folders.index("benchmarks") + 1 if "benchmarks" in folders else len(folders) - 1
        stages.setdefault(folders[below] if folders[below:] else path.stem, []).extend(measured)
    rows = []
    for stage, jobs in stages.items():
        seconds, memory = zip(*jobs, strict=True)
        rows.append(
            {
                "stage": stage,
                "jobs": len(jobs),
                "total time (s)": f"{sum(seconds):.1f}",
                "longest job (s)": f"{max(seconds):.1f}",
                "peak memory (MiB)": f"{max(memory):.0f}",
            }
        )
    return pd.DataFrame(rows)


def write_report(
    path: str | Path,
    *,
    title: str,
    settings: Mapping[str, object],
    sections: Sequence[Section],
    run_times: pd.DataFrame | None = None,
) -> None:
    """Write the report as one HTML file that opens by itself and links to PDFs and tables.

    Parameters
    ----------
    path
        HTML file. Links are relative to its folder.
    title
        Heading of the page.
    settings
        What was run; nested mappings become keys with dots. Version, commit and time are added.
    sections
        Results.
    run_times
        For example of :func:`read_run_times`.

    Raises
    ------
    InputError
        A PNG is missing or is none.
    """
    path = Path(path)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("smrestore.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = lambda cell: str(cell).replace(" ± ", "\u00a0±\u00a0")
    environment.filters["paragraphs"] = lambda text: [p for p in text.split("\n\n") if p.strip()]
    html = environment.get_template("report.html.j2").render(
        title=title,
        provenance=provenance(),
        settings=flatten(settings),
        sections=sections,
        run_times=run_times,
        embed=_embed,
        long=LONG,
        link=lambda target: Path(os.path.relpath(target, path.parent)).as_posix(),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def flatten(settings: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return nested settings as ``outer.inner`` -> text; lists are written as JSON."""
    result: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            result |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            result[f"{prefix}{key}"] = text
    return result


@dataclass(frozen=True)
class _Embedded:
    source: str
    width_mm: float


def _embed(path: str | Path) -> _Embedded:
    """Return a PNG as data URI, with its printed width."""
    try:
        data = Path(path).read_bytes()
        if data[:8] != b"\x89PNG\r\n\x1a\n":
            raise ValueError("the signature differs")
        (width,) = struct.unpack(">I", data[16:20])
    except (OSError, ValueError, struct.error) as error:
        raise InputError(f"no PNG image ({error})", path=path, remedy="draw it again") from None
    encoded = base64.b64encode(data).decode("ascii")
    return _Embedded(f"data:image/png;base64,{encoded}", width / PNG_DPI * 25.4)


def _markdown_table(text: str) -> pd.DataFrame:
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    if len(lines) < 2:
        raise ValueError("a table has one line")
    header, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return pd.DataFrame(body, columns=header)


def _number(value: object) -> float:
    """Return a value of a benchmark; Snakemake writes text for what it could not measure."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0

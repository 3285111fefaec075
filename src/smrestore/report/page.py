"""The report: one HTML page with the settings, tables, figures and run times of a workflow run."""

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from smrestore.report.headlines import VERDICTS as CLAIM_VERDICTS
from smrestore.report.headlines import Headline
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path, provenance
from smrestore.support.pages import page_environment

LONG = 40
"""Rows from which on a part of a table is folded."""
VERDICTS = dict(zip(CLAIM_VERDICTS, ("yes", "no", "open", "none"), strict=True))
"""Cells that get a colored mark, and its name in the styles."""


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


@dataclass(frozen=True)
class Picture:
    """A figure of the report: a PNG, which is embedded, and optionally a PDF, which is linked."""

    title: str
    png: str | Path
    pdf: str | Path | None = None
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with text, tables and figures, in this order.

    ``folded`` is a line that stands for all of these until a reader opens it; empty to show them.
    """

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    folded: str = ""


@dataclass(frozen=True)
class Opening:
    """The first screen: text whose first paragraph is shown, a picture, and numbers."""

    text: str = ""
    picture: Picture | None = None
    headlines: Sequence[Headline] = ()


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
    opening: Opening | None = None,
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
    opening
        What stands before the sections.

    Raises
    ------
    InputError
        A PNG is missing or is none.
    """
    path = Path(path)
    environment = page_environment("smrestore.report")
    environment.filters["unbroken"] = lambda cell: str(cell).replace(" ± ", "\u00a0±\u00a0")
    environment.filters["paragraphs"] = lambda text: [p for p in text.split("\n\n") if p.strip()]
    environment.filters["number"] = _number_of
    html = environment.get_template("report.html.j2").render(
        title=title,
        provenance=provenance(),
        settings=flatten(settings),
        sections=sections,
        run_times=run_times,
        opening=opening,
        verdicts=VERDICTS,
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


def _embed(path: str | Path) -> str:
    """Return a PNG as data URI."""
    try:
        data = Path(path).read_bytes()
        if data[:8] != b"\x89PNG\r\n\x1a\n":
            raise ValueError("the signature differs")
    except (OSError, ValueError) as error:
        raise InputError(f"no PNG image ({error})", path=path, remedy="draw it again") from None
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"


def _number_of(title: str) -> str:
    """Return the number of ``Table 4. Upsampling`` or ``Figure 4``; empty if there is none."""
    found = re.match(r"(?:Table|Figure) (\d+)\b", title)
    return found[1] if found else ""


def _number(value: object) -> float:
    """Return a value of a benchmark; Snakemake writes text for what it could not measure."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0

"""Tables of a run, as they stand in Markdown and CSV files."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from smrestore.support.errors import InputError


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


def _markdown_table(text: str) -> pd.DataFrame:
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("|")]
    if len(lines) < 2:
        raise ValueError("a table has one line")
    header, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return pd.DataFrame(body, columns=header)

"""Put the tables of a finished run into a page, between the comments that name them.

python docs/update_results.py                                    # of results/ here, into results.md
python docs/update_results.py ~/run/results
python docs/update_results.py results/workstation/results workstation.md

A comment such as `<!-- claims.md, first table -->` takes the text up to the end of the first table.
"""

import re
import sys
from pathlib import Path

BLOCK = re.compile(r"(<!-- ([\w.-]+\.md)(, first table)? -->\n).*?(<!-- end -->)", re.DOTALL)


def main(results: str = "results", page: str = "results.md") -> None:
    """Replace what is between the comments."""
    path = Path(__file__).with_name(page)

    def block(found: re.Match[str]) -> str:
        start, name, first_table, end = found.groups()
        text = (Path(results) / "tables" / name).read_text().strip("\n")
        if first_table:
            text = re.match(r".*?^\|.*?(?=\n\n|\Z)", text, re.DOTALL | re.MULTILINE)[0]
        return f"{start}\n{text}\n\n{end}"

    path.write_text(BLOCK.sub(block, path.read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])

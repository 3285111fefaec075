"""Put the tables of a finished run into results.md, between the comments that name them.

python docs/update_results.py                 # of results/ here
python docs/update_results.py ~/run/results

A comment such as `<!-- claims.md, first table -->` takes the text up to the end of the first table.
"""

import re
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("results.md")
BLOCK = re.compile(r"(<!-- ([\w.-]+\.md)(, first table)? -->\n).*?(<!-- end -->)", re.DOTALL)


def main(results: Path) -> None:
    """Replace what is between the comments."""

    def block(found: re.Match[str]) -> str:
        start, name, first_table, end = found.groups()
        text = (results / "tables" / name).read_text().strip("\n")
        if first_table:
            text = re.match(r".*?^\|.*?(?=\n\n|\Z)", text, re.DOTALL | re.MULTILINE)[0]
        return f"{start}\n{text}\n\n{end}"

    PAGE.write_text(BLOCK.sub(block, PAGE.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))

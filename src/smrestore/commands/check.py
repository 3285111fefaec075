"""``smrestore check``: check a configuration."""

import argparse
from pathlib import Path

SCHEMA = Path("workflow/schemas/config.schema.yaml")


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "check",
        help="check a configuration",
        description="Check a configuration and print one line per fault. docs/configuration.md "
        "describes all keys.",
    )
    parser.add_argument(
        "configuration", type=Path, nargs="+", help="config.yaml, and overlays in their order"
    )
    parser.add_argument(
        "--schema", type=Path, default=SCHEMA, help="JSON schema (default: %(default)s)"
    )

    def run(arguments: argparse.Namespace) -> None:
        from smrestore.configuration import check_configuration, read_configuration

        config = read_configuration(arguments.configuration)
        check_configuration(config, arguments.schema, Path.cwd())
        print(f"{', '.join(map(str, arguments.configuration))}: no faults")

    parser.set_defaults(run=run)

"""``smrestore check``: check a configuration."""

import argparse
from pathlib import Path


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the command with its arguments."""
    parser = commands.add_parser(
        "check",
        help="check a configuration",
        description="Check a configuration and print one line per fault. "
        "docs/configuration-reference.md describes all keys.",
    )
    parser.add_argument(
        "configuration", type=Path, nargs="*", help="config.yaml, and overlays in their order"
    )
    parser.add_argument(
        "--show",
        action="store_true",
        help="print the complete configuration, with the origin of each value",
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON schema for editors instead"
    )

    def run(arguments: argparse.Namespace) -> None:
        if arguments.schema:
            from smrestore.configuration.reference import schema

            print(schema(), end="")
            return
        if not arguments.configuration:
            parser.error("give configuration files")
        from smrestore.configuration import load_configuration
        from smrestore.configuration.origins import show_configuration

        if arguments.show:
            print(show_configuration(arguments.configuration, Path.cwd()), end="")
            return
        load_configuration(arguments.configuration)
        print(f"{', '.join(map(str, arguments.configuration))}: no faults")

    parser.set_defaults(run=run)

"""``smrestore check``: check a configuration."""

from pathlib import Path

from smrestore.support.errors import InputError


def check(*configuration: Path, show: bool = False, schema: bool = False) -> None:
    """Check a configuration.

    Prints one line per fault. docs/configuration-reference.md describes all keys.

    Parameters
    ----------
    configuration
        config.yaml, and overlays in order.
    show
        Print the complete configuration, with the origin of each value.
    schema
        Print the JSON schema for editors instead.
    """
    if schema:
        from smrestore.configuration import reference

        print(reference.schema(), end="")
        return
    if not configuration:
        raise InputError("no file is given", field="CONFIGURATION", remedy="give config.yaml")
    from smrestore.configuration import load_configuration
    from smrestore.configuration.origins import show_configuration

    if show:
        print(show_configuration(configuration, Path.cwd()), end="")
        return
    load_configuration(configuration)
    print(f"{', '.join(map(str, configuration))}: no faults")

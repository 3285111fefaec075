"""The overlay that asks what limits a network."""

import pytest

from checkout import ROOT
from smrestore.configuration import load_configuration, read_configuration

LIMITS = ROOT / "config/limits.yaml"
NAMES = [name for name in read_configuration([LIMITS])["experiments"] if name != "unet-small"]


@pytest.fixture(scope="module")
def experiments() -> dict:
    paths = [ROOT / "config.yaml", ROOT / "config/workstation.yaml", LIMITS]
    return load_configuration(paths)["experiments"]


def settings(entry: dict, prefix: str = "") -> dict[str, object]:
    """Return all settings of an entry by dotted names."""
    flat = {}
    for key, value in entry.items():
        inner = settings(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        flat |= {f"{prefix}{key}": value} if inner is None else inner
    return flat


@pytest.mark.parametrize("name", NAMES)
def test_one_setting_differs(experiments: dict, name: str) -> None:
    mine, base = settings(experiments[name]), settings(experiments["unet-small"])
    assert len([key for key in mine.keys() | base.keys() if mine.get(key) != base.get(key)]) == 1

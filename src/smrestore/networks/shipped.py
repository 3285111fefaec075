"""Networks by path or name, where the packages that they need are installed."""

from importlib.util import find_spec
from pathlib import Path

from smrestore.networks.cards import WEIGHTS, shipped_names, shipped_weights
from smrestore.support.errors import InputError


def find_model(model: str | Path) -> Path:
    """Return the weights that are meant by their path, or by the name of a shipped network.

    A file comes before a network of the same name.

    Raises
    ------
    InputError
        If there is neither.
    """
    path = Path(model)
    if path.is_file():
        return path
    if str(model) in shipped_names():
        return shipped_weights(str(model))
    raise InputError(
        "no such file, and no network of the package has this name",
        path=path,
        remedy=f"give a file {WEIGHTS}, or one of {', '.join(shipped_names())}",
    )


def networks_installed() -> bool:
    """Return whether networks can run here, without importing what they need."""
    return not _missing()


def _missing() -> list[str]:
    return [name for name in ("torch", "safetensors") if find_spec(name) is None]


def require_torch() -> None:
    """Check that networks can run here, without importing what they need.

    Raises
    ------
    InputError
        If a package is missing.
    """
    if missing := _missing():
        raise InputError(
            f"networks need {' and '.join(missing)}, which cannot be found",
            remedy="install them: pip install 'smrestore[networks]'",
        )

"""Trained networks that are installed with the package, found by name."""

from importlib.util import find_spec
from pathlib import Path

from smrestore.support.errors import InputError

FOLDER = Path(__file__).parents[1] / "weights"
"""A folder for each network, with its weights and its card."""


def shipped_models() -> dict[str, Path]:
    """Return the weights of each network by its name."""
    return {path.parent.name: path for path in sorted(FOLDER.glob("*/weights.safetensors"))}


def find_model(model: str | Path) -> Path:
    """Return the weights that are meant by their path, or by a name in :func:`shipped_models`.

    A file comes before a network of the same name. Paths are not checked.
    """
    path = Path(model)
    return path if path.exists() else shipped_models().get(str(model), path)


def require_torch() -> None:
    """Check that networks can run here, without importing what they need.

    Raises
    ------
    InputError
        If a package is missing.
    """
    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"networks need {' and '.join(missing)}, which cannot be found",
            remedy="install them: pip install 'smrestore[networks]'",
        )

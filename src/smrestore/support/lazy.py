"""Names of a package that are loaded when they are asked for (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module


def load_names(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return a ``__getattr__`` for a package.

    Parameters
    ----------
    package
        Full name of the package.
    modules
        Module of the package that each name is defined in.
    """

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return load

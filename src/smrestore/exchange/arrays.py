"""Variables of NumPy archives (.npz) and MATLAB files (.mat), by name."""

import contextlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from smrestore.mdf.layout import as_numbers
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path

ENDINGS = (".npz", ".mat")

MATLAB_BYTES = 2**31 - 1
"""Of a variable in MATLAB files of version 5, which SciPy writes."""

_MATLAB_HDF5 = b"MATLAB 7.3"


def check_ending(path: str | Path) -> None:
    """Raise :class:`InputError` if the name of a file tells neither of the two formats."""
    if Path(path).suffix.lower() not in ENDINGS:
        raise InputError(
            f"ends in {Path(path).suffix!r}",
            path=path,
            remedy=f"give a file that ends in {' or '.join(ENDINGS)}",
        )


def write_arrays(path: str | Path, values: Mapping[str, object]) -> None:
    """Write variables, completely or not at all.

    Parameters
    ----------
    path
        Ends in .npz or .mat (version 5).
    values
        Arrays, numbers and texts by name. Vectors become columns in MATLAB.

    Raises
    ------
    InputError
        If the ending is another one, or a variable is too large for MATLAB files.
    """
    check_ending(path)
    if Path(path).suffix.lower() == ".npz":
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **values)
        return
    import scipy.io

    for name, value in values.items():
        if np.asarray(value).nbytes > MATLAB_BYTES:
            raise InputError(
                f"takes {np.asarray(value).nbytes / 1e9:.3g} GB, and MATLAB files of version 5 "
                "hold 2 GB",
                path=path,
                field=name,
                remedy="write .npz, or choose fewer receive channels",
            )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        scipy.io.savemat(file, dict(values), oned_as="column")


class Variables:
    """Variables of a file that is open for reading; see :func:`open_variables`."""

    def __init__(self, path: Path, values: Mapping[str, object]) -> None:
        self.path, self._values = path, values

    def array(self, name: str, field: str) -> np.ndarray:
        """Return a variable as numbers, with the axes as MATLAB or NumPy show them.

        Parameters
        ----------
        name
            Of the variable; ``sm.data`` is the field ``data`` of the struct ``sm``.
        field
            Key of the description that asks for it, for messages.

        Raises
        ------
        InputError
            If there is none, or it holds no numbers.
        """
        value = self._values
        with self._reading(name):
            for part in name.split("."):
                value = _part(value, part)
                if value is None:
                    raise InputError(
                        f"there is no variable {name!r}, but {self._known()}",
                        path=self.path,
                        field=field,
                        remedy="correct the name in the description",
                    )
            if isinstance(value, h5py.Dataset):
                # MATLAB writes its arrays in the order of Fortran, so HDF5 shows them transposed.
                value = as_numbers(value[()]).T
            value = np.asarray(value)
        if value.dtype.kind not in "biufc":
            raise InputError(
                f"the variable {name!r} holds {value.dtype} instead of numbers",
                path=self.path,
                field=field,
                remedy="store an array of numbers",
            )
        return value

    def _known(self) -> str:
        names = [name for name in self._values if not name.startswith(("__", "#"))]
        return ", ".join(sorted(names)[:20]) or "none at all"

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(
                f"the variable {name!r} cannot be read ({error})",
                path=self.path,
                remedy="store an array of numbers, and the file anew",
            ) from None


@contextlib.contextmanager
def open_variables(path: str | Path) -> Iterator[Variables]:
    """Open a NumPy archive or a MATLAB file of any version.

    Raises
    ------
    InputError
        If it is missing or none of these.
    """
    path = Path(path)
    check_ending(path)
    try:
        with path.open("rb") as file:
            start = file.read(128)
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as values:
                yield Variables(path, values)
        elif start.startswith(_MATLAB_HDF5):
            with h5py.File(path, "r") as values:
                yield Variables(path, values)
        else:
            import scipy.io

            yield Variables(path, scipy.io.loadmat(path))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="check the path") from None
    except Exception as error:
        # SciPy raises errors of all kinds about files that it cannot read.
        kind = "NumPy archive" if path.suffix.lower() == ".npz" else "MATLAB file"
        raise InputError(
            f"is no readable {kind} ({error or type(error).__name__})",
            path=path,
            remedy="copy it again, or write it anew",
        ) from None


def _part(value: object, name: str) -> object | None:
    """Return a variable of a file or a field of a struct; None if there is none."""
    if isinstance(value, np.ndarray):
        if value.dtype.names is None or name not in value.dtype.names or value.size != 1:
            return None
        return value[name].item()
    return value[name] if isinstance(value, Mapping) and name in value else None

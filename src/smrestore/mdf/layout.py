"""Names of datasets in MDF files, and messages about files that are not MDF.

Names, shapes and units follow the MDF 2.1 specification (Knopp et al., arXiv:1602.06072). Real
files deviate in small ways (vectors of length 1 for scalars, absent flags): what can be read
without guessing is accepted.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from smrestore.mdf.heap import check_text_heap
from smrestore.mdf.limits import DESCRIPTION_BYTES, reading
from smrestore.support.checksums import intact, remake
from smrestore.support.errors import InputError

VERSION = "2.1.0"

DATA = "/measurement/data"
IS_BACKGROUND_FRAME = "/measurement/isBackgroundFrame"
FRAME_PERMUTATION = "/measurement/framePermutation"
FREQUENCY_SELECTION = "/measurement/frequencySelection"
SUBSAMPLING_INDICES = "/measurement/subsamplingIndices"
SPARSITY_TRANSFORMATION = "/measurement/sparsityTransformation"
TRANSFER_FUNCTION = "/acquisition/receiver/transferFunction"
SNR = "/calibration/snr"
BY_POSITION = ("/calibration/positions", "/calibration/offsetFields", "/calibration/offsetField")
"""Datasets with one row per position, in the order of the frames."""
DELTA_SAMPLE_SIZE = "/calibration/deltaSampleSize"
RECONSTRUCTION = "/reconstruction/data"
CONVERSION_FACTOR = "/acquisition/receiver/dataConversionFactor"

MANDATORY = (
    "/version",
    "/uuid",
    "/time",
    "/study/name",
    "/study/description",
    "/study/uuid",
    "/study/number",
    "/experiment/name",
    "/experiment/description",
    "/experiment/subject",
    "/experiment/uuid",
    "/experiment/number",
    "/experiment/isSimulation",
    "/scanner/name",
    "/scanner/manufacturer",
    "/scanner/facility",
    "/scanner/operator",
    "/scanner/topology",
    "/acquisition/numFrames",
    "/acquisition/numAverages",
    "/acquisition/numPeriodsPerFrame",
    "/acquisition/startTime",
    "/acquisition/drivefield/baseFrequency",
    "/acquisition/drivefield/cycle",
    "/acquisition/drivefield/divider",
    "/acquisition/drivefield/numChannels",
    "/acquisition/drivefield/strength",
    "/acquisition/drivefield/phase",
    "/acquisition/drivefield/waveform",
    "/acquisition/receiver/bandwidth",
    "/acquisition/receiver/numChannels",
    "/acquisition/receiver/numSamplingPoints",
    "/acquisition/receiver/unit",
    DATA,
    IS_BACKGROUND_FRAME,
    "/measurement/isFourierTransformed",
    "/measurement/isFastFrameAxis",
    "/measurement/isFramePermutation",
    "/measurement/isFrequencySelection",
    "/measurement/isBackgroundCorrected",
    "/measurement/isSpectralLeakageCorrected",
    "/measurement/isTransferFunctionCorrected",
    "/measurement/isSparsityTransformed",
)
"""Datasets that the MDF 2.1 specification demands of every file with a measurement."""

TRACER = tuple(
    f"/tracer/{name}" for name in ("name", "batch", "vendor", "solute", "concentration", "volume")
)
"""Mandatory together as soon as a tracer is described; an empty scan has none."""

CONDITIONAL = {
    "/measurement/isFramePermutation": (FRAME_PERMUTATION,),
    "/measurement/isFrequencySelection": (FREQUENCY_SELECTION,),
    "/measurement/isSparsityTransformed": (SPARSITY_TRANSFORMATION, SUBSAMPLING_INDICES),
}
"""Datasets that a flag of value 1 makes mandatory."""

COMPLEX_PARTS = (("r", "i"), ("real", "imag"), ("re", "im"))
"""Names of real and imaginary part, in small letters. The specification has the first ones."""

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ASAM_SIGNATURE = b"MDF     "
_REQUIRED = object()


def open_hdf5(path: str | Path) -> h5py.File:
    """Open an MDF v2 file for reading.

    Raises
    ------
    InputError
        One line that says what the file is instead and what to do about it: a missing file, a
        folder, ASAM MDF, not HDF5, a truncated file, HDF5 without MDF version, MDF v1, or a version
        newer than 2.
    """
    path = Path(path)
    _check_signature(path)
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"the HDF5 file cannot be opened, it is truncated or damaged ({error})",
            path=path,
            remedy=remake(path, otherwise="copy or download it again, completely"),
        ) from error
    try:
        _check_version(Fields(file, path))
    except Exception:
        file.close()
        raise
    return file


def _check_signature(path: Path) -> None:
    if path.is_dir():
        raise InputError(
            "is a folder, not an MDF file",
            path=path,
            remedy="convert raw ParaVision data (acqp, method, pdata) with MPIFiles.jl first",
        )
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(
            f"the file cannot be read ({error.strerror})", path=path, remedy="check the path"
        ) from error
    if start == _ASAM_SIGNATURE:
        raise InputError(
            "is an automotive ASAM MDF file, an unrelated format with the same ending",
            path=path,
            remedy="give a file of the Magnetic Particle Imaging Data Format",
        )
    if start != _HDF5_SIGNATURE:
        raise InputError(
            "is not an HDF5 file",
            path=path,
            remedy="check for an interrupted download or a text file that only points to the data",
        )


def _check_version(fields: "Fields") -> None:
    if "/version" not in fields:
        if "/frequencies" in fields and "/transferFunction" in fields:
            raise fields.error(
                "is a transfer function of MPIFiles.jl, not MDF",
                "/version",
                "give the scan; MDF files hold the transfer function beside the data",
            )
        raise fields.error(
            "is HDF5 but not MDF: there is no version",
            "/version",
            "give an MDF v2 file; other scanner formats are converted by MPIFiles.jl",
        )
    version = fields.text("/version")
    major = version.split(".")[0]
    if major in ("0", "1"):
        raise fields.error(
            f"MDF version {version} is not compatible with version 2",
            "/version",
            'convert it with MPIFiles.jl: saveasMDF("out.mdf", "in.mdf")',
        )
    if major != "2":
        raise fields.error(
            f"unknown MDF version {version!r}", "/version", f"convert it to MDF {VERSION}"
        )


def complex_parts(dtype: np.dtype) -> tuple[str, str] | None:
    """Return the names of real and imaginary part in a compound; None if it is none of these.

    h5py shows compounds of ``r`` and ``i`` as complex numbers by itself, unless they are integers.
    Others spell the names out.
    """
    for names in COMPLEX_PARTS:
        wanted = dtype.names is not None and tuple(name.lower() for name in dtype.names) == names
        if wanted and all(dtype[name].kind in "iuf" for name in dtype.names):
            return dtype.names
    return None


def as_numbers(values: np.ndarray) -> np.ndarray:
    """Return compounds of real and imaginary part as complex numbers; others as they are."""
    parts = complex_parts(values.dtype)
    if parts is None:
        return values
    real, imaginary = parts
    return values[real] + 1j * values[imaginary].astype(np.float64)


def links(group: h5py.Group, path: Path, depth: int = 8) -> Iterator[str]:
    """Yield the absolute names of all links below a group, without following soft ones.

    The visitors of h5py raise errors of the interpreter about damaged files. Hard links of those
    may be circular, hence the ``depth``.
    """
    prefix = group.name.rstrip("/")
    with reading(path, prefix or "/"):
        names = [name for name in group if isinstance(name, str)]
    for name in names:
        yield f"{prefix}/{name}"
        with reading(path, f"{prefix}/{name}"):
            is_hard = isinstance(group.get(name, getlink=True), h5py.HardLink)
            is_group = is_hard and group.get(name, getclass=True) is h5py.Group
            below = group[name] if is_group and depth else None
        if below is not None:
            yield from links(below, path, depth - 1)


@dataclass(frozen=True)
class Fields:
    """The datasets of an open MDF file, read with checks that name the dataset at fault."""

    file: h5py.File
    path: Path
    _found: dict[str, h5py.Dataset | None] = field(default_factory=dict, repr=False)

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def _find(self, name: str) -> h5py.Dataset | None:
        """Return a dataset, None if there is none; one that is damaged is not taken for absent."""
        if name not in self._found:
            with reading(self.path, name):
                self._found[name] = self._open(name)
        return self._found[name]

    def _open(self, name: str) -> h5py.Dataset | None:
        links = self.file.id.links
        parts = name.strip("/").split("/")
        for end in range(1, len(parts) + 1):
            if not links.exists("/".join(parts[:end]).encode()):
                return None
        node = self.file[name]
        return node if isinstance(node, h5py.Dataset) else None

    def error(self, what: str, field: str, remedy: str) -> InputError:
        """Return the error to raise about ``field`` of this file."""
        return InputError(what, path=self.path, field=field, remedy=remedy)

    def dataset(self, name: str, *, may_be_empty: bool = False) -> h5py.Dataset:
        """Return the mandatory dataset ``name`` without reading it."""
        dataset = self._find(name)
        if dataset is None:
            raise self.error(
                "this mandatory dataset is missing", name, "write it as MDF 2.1 demands"
            )
        with reading(self.path, name):
            shape = dataset.shape
            # Unknown types of numbers show here.
            _ = dataset.dtype
        if not may_be_empty and (shape is None or math.prod(shape) == 0):
            raise self.error("is empty", name, "store a value")
        return dataset

    def small_dataset(self, name: str) -> h5py.Dataset:
        """Return the mandatory dataset ``name`` if it has the size of a description."""
        dataset = self.dataset(name)
        n_bytes = math.prod(dataset.shape) * dataset.dtype.itemsize
        if n_bytes > DESCRIPTION_BYTES:
            raise self.error(
                f"claims {n_bytes / 1e9:.3g} GB in shape {dataset.shape}",
                name,
                "store the shape that MDF 2.1 demands",
            )
        return dataset

    def array(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return a numeric dataset as an array; ``default`` if it is absent."""
        if default is not _REQUIRED and name not in self:
            return default
        dataset = self.small_dataset(name)
        if dataset.dtype.kind not in "biufc" and complex_parts(dataset.dtype) is None:
            raise self.error(f"has type {dataset.dtype} instead of numbers", name, "store numbers")
        with reading(self.path, name):
            return as_numbers(np.asarray(intact(dataset)[()]))

    def reals(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return a dataset of finite real numbers as float64."""
        values = self.array(name, default)
        if values is default:
            return default
        if values.dtype.kind == "c":
            raise self.error("has complex instead of real numbers", name, "store real numbers")
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            raise self.error("holds NaN or infinite values", name, "store finite numbers")
        return values

    def integers(self, name: str) -> np.ndarray:
        """Return a dataset of whole numbers, whatever its type, as int64."""
        values = self.reals(name)
        if not (values == np.floor(values)).all() or np.abs(values).max() > 2**53:
            raise self.error("holds other than whole numbers", name, "store whole numbers")
        return values.astype(np.int64)

    def scalar(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return a real number, from a scalar dataset or one of a single entry."""
        if default is not _REQUIRED and name not in self:
            return default
        value = self.array(name)
        if value.size != 1:
            raise self.wrong_shape(name, value.shape, ())
        if value.dtype.kind == "c":
            raise self.error("is complex instead of real", name, "store a real number")
        return value.reshape(()).item()

    def count(self, name: str, default: Any = _REQUIRED) -> int:
        """Return a positive whole number."""
        value = self.scalar(name, default)
        if not float(value).is_integer() or value < 1:
            raise self.error(f"is {value} instead of a positive count", name, "store the number")
        return int(value)

    def quantity(self, name: str) -> float:
        """Return a positive, finite physical quantity."""
        value = float(self.scalar(name))
        if not (value > 0 and math.isfinite(value)):
            raise self.error(f"is {value:g}", name, "store a positive number")
        return value

    def flag(self, name: str, default: Any = _REQUIRED) -> bool:
        """Return a boolean, stored as 0 or 1."""
        value = self.scalar(name, default)
        if value not in (0, 1):
            raise self.error(f"is {value} instead of 0 or 1", name, "store 0 or 1")
        return bool(value)

    def texts(self, name: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """Return all strings of a dataset, whatever its shape, as one tuple."""
        if default is not _REQUIRED and name not in self:
            return default
        dataset = self.small_dataset(name)
        if h5py.check_string_dtype(dataset.dtype) is None:
            raise self.error(f"has type {dataset.dtype} instead of text", name, "store UTF-8 text")
        with reading(self.path, name):
            check_text_heap(dataset)
            intact(dataset)
            return tuple(str(text) for text in np.ravel(dataset.asstr(errors="replace")[()]))

    def text(self, name: str, default: Any = _REQUIRED) -> str:
        """Return a string."""
        if default is not _REQUIRED and name not in self:
            return default
        texts = self.texts(name)
        if len(texts) != 1:
            raise self.wrong_shape(name, (len(texts),), ())
        return texts[0]

    def wrong_shape(self, name: str, found: tuple, expected: tuple | str) -> InputError:
        """Return the error about a dataset whose shape contradicts the rest of the file."""
        return self.error(
            f"has shape {found} instead of {expected}", name, "store the shape that MDF 2.1 demands"
        )

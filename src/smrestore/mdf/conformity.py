"""Where a readable file leaves the MDF 2.1 specification, or what is rarely meant."""

import re
from collections.abc import Iterator

import numpy as np

from smrestore.mdf.acquisition import OTHER_WAVEFORMS
from smrestore.mdf.file import MdfFile
from smrestore.mdf.layout import (
    COMPLEX_PARTS,
    CONVERSION_FACTOR,
    DATA,
    DELTA_SAMPLE_SIZE,
    FRAME_PERMUTATION,
    FREQUENCY_SELECTION,
    IS_BACKGROUND_FRAME,
    MANDATORY,
    SNR,
    SPARSITY_TRANSFORMATION,
    SUBSAMPLING_INDICES,
    TRACER,
    TRANSFER_FUNCTION,
    Fields,
    complex_parts,
    links,
)
from smrestore.mdf.plausibility import implausible
from smrestore.mdf.snr import stored_snr
from smrestore.support.errors import InputError

OPTIONAL = (
    "/study/time",
    "/tracer/injectionTime",
    "/scanner/boreSize",
    "/acquisition/gradient",
    "/acquisition/offsetField",
    CONVERSION_FACTOR,
    TRANSFER_FUNCTION,
    "/acquisition/receiver/inductionFactor",
    FRAME_PERMUTATION,
    FREQUENCY_SELECTION,
    SPARSITY_TRANSFORMATION,
    SUBSAMPLING_INDICES,
    "/calibration/method",
    "/calibration/size",
    "/calibration/fieldOfView",
    "/calibration/fieldOfViewCenter",
    "/calibration/order",
    "/calibration/positions",
    "/calibration/offsetFields",
    DELTA_SAMPLE_SIZE,
    "/calibration/isMeanderingGrid",
    SNR,
)
"""Further datasets of the specification, and ``isMeanderingGrid``, which many writers add."""

TOLD_BY_DATA = ("/acquisition/numFrames", "/acquisition/receiver/numChannels")

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?")


def deviations(file: MdfFile) -> list[str]:
    """Return one line for everything about an open file that readers may stumble over."""
    fields = Fields(file.hdf5, file.path)
    checks = (
        _absent(fields),
        _other_names(file),
        _shapes(file, fields),
        _types(file, fields),
        _times(fields),
        _sequence(file),
        _frames(file),
        _transfer_function(file),
        _calibration(file),
    )
    lines = [line for check in checks for line in check]
    return lines + [f"{value.field}: {value.what}" for value in implausible(file)]


def _absent(fields: Fields) -> Iterator[str]:
    for name in MANDATORY:
        if name not in fields:
            told = ": read from the shape of the data" if name in TOLD_BY_DATA else ""
            yield f"{name} is missing{told}"
    tracer = [name for name in TRACER if name in fields]
    if tracer:
        for name in TRACER:
            if name not in tracer:
                yield f"{name} is missing"


def _other_names(file: MdfFile) -> Iterator[str]:
    known = {*MANDATORY, *TRACER, *OPTIONAL}
    groups = {name.rpartition("/")[0] for name in known} | {"/acquisition/drivefield"}
    for name in links(file.hdf5, file.path):
        user_defined = any(part.startswith("_") for part in name.split("/"))
        if not (user_defined or name in known | groups or name.startswith("/reconstruction")):
            yield f"{name} is not part of MDF 2.1"


def _shapes(file: MdfFile, fields: Fields) -> Iterator[str]:
    a = file.acquisition
    drive, n_periods = a.divider.shape, a.n_periods
    own_shape = {
        "/acquisition/drivefield/divider": drive,
        "/acquisition/drivefield/waveform": drive,
        "/acquisition/drivefield/strength": (n_periods, *drive),
        "/acquisition/drivefield/phase": (n_periods, *drive),
        IS_BACKGROUND_FRAME: None,
        DATA: None,
    }
    for name in MANDATORY:
        expected = own_shape.get(name, ())
        if expected is not None and name in fields:
            shape = file.hdf5[name].shape
            if shape != expected:
                yield f"{name} has shape {shape} instead of {expected}"
    for name, values in (
        ("/acquisition/gradient", a.gradient),
        ("/acquisition/offsetField", a.offset_field),
    ):
        if values is not None:
            expected = (n_periods, *values.shape[1:])
            if file.hdf5[name].shape != expected:
                yield f"{name} has shape {file.hdf5[name].shape} instead of {expected}"
    if DELTA_SAMPLE_SIZE in fields and fields.array(DELTA_SAMPLE_SIZE).size == 1:
        yield f"{DELTA_SAMPLE_SIZE} is a single length instead of three: read as a cube"
    if file.hdf5[DATA].ndim == 5:
        yield f"{DATA} holds real and imaginary part along a last axis, as drafts of MDF 2 did"
    n_stored = len(file.frequency_indices)
    if a.transfer_function is not None and a.transfer_function.shape[1] != n_stored:
        yield f"{TRANSFER_FUNCTION} is not cut to the {n_stored} stored frequencies"
    if file.flags.frequency_selection and 0 in fields.integers(FREQUENCY_SELECTION):
        yield f"{FREQUENCY_SELECTION} counts from 0"


def _types(file: MdfFile, fields: Fields) -> Iterator[str]:
    for name in MANDATORY:
        if name.rpartition("/")[2].startswith("is") and name in fields:
            dtype = file.hdf5[name].dtype
            if dtype != np.int8:
                yield f"{name} has type {dtype} instead of int8"
    for name in (DATA, TRANSFER_FUNCTION):
        if name in fields and file.hdf5[name].chunks is not None:
            yield f"{name} is chunked: MPIFiles.jl cannot map it into memory"
        parts = complex_parts(file.hdf5[name].dtype) if name in fields else None
        if parts not in (None, COMPLEX_PARTS[0]):
            yield f"{name} is a compound of {' and '.join(parts)} instead of r and i"


def _times(fields: Fields) -> Iterator[str]:
    for name in ("/time", "/study/time", "/acquisition/startTime"):
        if name in fields:
            text = fields.text(name)
            if not _TIME.fullmatch(text):
                yield f"{name} is {text!r}: MPIFiles.jl needs yyyy-mm-ddThh:mm:ss.sss"


def _sequence(file: MdfFile) -> Iterator[str]:
    a = file.acquisition
    for name in sorted(set(a.waveform)):
        if name.strip().lower() != "sine":
            known = name.strip().lower() in OTHER_WAVEFORMS
            yield f"the waveform is {name!r}" + ("" if known else ", read as a sine")
    if (a.strength == 0).all():
        yield "no drive field channel is on"
    if a.gradient is not None:
        diagonal = a.gradient * np.eye(3)
        if np.abs(a.gradient - diagonal).max() > 1e-3 * np.abs(diagonal).max():
            yield "the gradient has entries off its diagonal, which are ignored"
    by_period = (a.strength, a.phase, a.gradient, a.offset_field)
    try:
        for period in range(max(len(values) for values in by_period if values is not None)):
            a.sequence(period)
    except InputError as error:
        yield f"{error.field}: {error.what}"


def _frames(file: MdfFile) -> Iterator[str]:
    n_background, n_frames = int(file.is_background.sum()), len(file.is_background)
    if n_background == n_frames:
        yield f"all {n_frames} frames are background"
    elif file.calibration is not None and not file.flags.background_corrected:
        if n_background == 0:
            yield "there are no background frames, and the background was not subtracted"
        elif n_background == 1:
            yield "a single background frame: no drift and no noise can be told from it"
    if file.calibration is not None:
        n_foreground = n_frames - n_background
        if file.calibration.n_positions != n_foreground:
            yield (
                f"{file.calibration.n_positions} grid positions, but {n_foreground} foreground "
                "frames"
            )
    if not file.times_are_known and not file.flags.background_corrected:
        yield "the times of sparse frames are unknown: the mean background is subtracted"


def _transfer_function(file: MdfFile) -> Iterator[str]:
    function = file.transfer_function
    if function is None:
        if file.flags.transfer_function_corrected:
            yield f"corrected for the transfer function, but {TRANSFER_FUNCTION} is missing"
        return
    for what, wrong in (("0", function == 0), ("not finite", ~np.isfinite(function))):
        if wrong.any():
            channel, frequency = np.argwhere(wrong)[0]
            yield (
                f"{TRANSFER_FUNCTION} is {what} at {int(wrong.sum())} places, the first in channel "
                f"{channel} at frequency index {file.frequency_indices[frequency]}"
            )


def _calibration(file: MdfFile) -> Iterator[str]:
    calibration = file.calibration
    if calibration is None:
        return
    try:
        calibration.grid()
    except InputError as error:
        yield f"{error.field}: {error.what}"
    if calibration.is_meandering and file.flags.frame_permutation:
        yield "meandering, but the frames are permuted: they count as sorted already"
    if calibration.delta_sample_size is not None and max(calibration.delta_sample_size) == 0:
        yield "/calibration/deltaSampleSize is 0: unknown"
    try:
        snr = stored_snr(file)
    except InputError as error:
        yield f"{error.field}: {error.what}"
        return
    if snr is not None:
        stored = calibration.snr.shape
        expected = (file.acquisition.n_periods, *snr.shape)
        if stored != expected:
            yield f"{SNR} has shape {stored} instead of {expected}"

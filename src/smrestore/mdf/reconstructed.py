"""Reconstructed images as MDF files, with everything that is known about their scan."""

import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from smrestore.mdf.copied import copied_datasets
from smrestore.mdf.file import open_mdf
from smrestore.mdf.layout import RECONSTRUCTION, Fields, open_hdf5
from smrestore.mdf.scans import UNKNOWN, Tracer, descriptive_fields
from smrestore.mdf.writer import write_mdf
from smrestore.physics.grid import CalibrationGrid
from smrestore.support.errors import InputError
from smrestore.support.files import check_separate

GROUP = "/reconstruction"
PARAMETERS = f"{GROUP}/_parameters"

_COPIED = ("/study/", "/experiment/", "/tracer/", "/scanner/", "/acquisition/")


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The ``/reconstruction`` group (MDF 2.1 specification).

    Attributes
    ----------
    images
        float64 (Q, Nx, Ny, Nz): one image for each of Q frames.
    grid
        Of the images.
    parameters
        How they were made: name -> number, text or array.
    """

    images: np.ndarray
    grid: CalibrationGrid
    parameters: Mapping[str, Any]


def write_reconstruction(
    phantom_path: str | Path,
    destination_path: str | Path,
    reconstruction: Reconstruction,
    *,
    description: str,
    time: datetime | str | None = None,
    uuid: str | uuids.UUID | None = None,
) -> None:
    """Write images with the description of the scan that they come from.

    The images are stored as ``/reconstruction/data`` (Q, P, 1) with x the fastest of the P voxels,
    the parameters in the user-defined group ``/reconstruction/_parameters``. Study, experiment,
    tracer, scanner and acquisition are copied from the phantom scan, its measurement is not.

    Parameters
    ----------
    phantom_path
        MDF v2 file of the phantom scan.
    destination_path
        Must be another file.
    reconstruction
        What is written.
    description
        What was done; appended to ``/experiment/description``.
    time, uuid
        Of the new file, for reproducible files; now and random by default.

    Raises
    ------
    InputError
        If the destination is the phantom scan, or the images do not have the size of the grid.
    """
    check_separate(destination_path, phantom_path)
    images, grid = reconstruction.images, reconstruction.grid
    if images.ndim != 4 or images.shape[1:] != tuple(grid.size):
        raise InputError(
            f"images of shape {images.shape} on a grid of {grid.size} voxels",
            path=destination_path,
            field=RECONSTRUCTION,
            remedy="give shape (frames, Nx, Ny, Nz)",
        )
    with open_mdf(phantom_path) as file:
        copied = copied_datasets(file, lambda name: name.startswith(_COPIED))
        defaults = descriptive_fields(time, uuid)
        if any(name.startswith("/tracer/") for name in copied):
            defaults |= Tracer(UNKNOWN, concentration=0.0, volume=0.0).to_fields()
        former = Fields(file.hdf5, file.path).text("/experiment/description", "")
        fields = {
            **defaults,
            **copied,
            # In the shapes that the specification demands.
            **file.acquisition.to_fields(),
            "/experiment/description": "\n".join(filter(None, (former, description))),
            RECONSTRUCTION: images.transpose(0, 3, 2, 1).reshape(len(images), -1, 1),
            f"{GROUP}/size": np.array(grid.size, dtype=np.int64),
            f"{GROUP}/fieldOfView": np.array(grid.fov, dtype=np.float64),
            f"{GROUP}/fieldOfViewCenter": np.array(grid.center, dtype=np.float64),
            f"{GROUP}/order": "xyz",
            **{f"{PARAMETERS}/{name}": v for name, v in reconstruction.parameters.items()},
        }
        write_mdf(destination_path, fields)


def read_reconstruction(path: str | Path) -> Reconstruction:
    """Read the images of an MDF file.

    Raises
    ------
    InputError
        If there are none, or their shape contradicts the grid.
    """
    with open_hdf5(path) as file:
        fields = Fields(file, Path(path))
        if RECONSTRUCTION not in fields:
            raise fields.error(
                "there is no reconstruction inside", RECONSTRUCTION, "reconstruct the scan first"
            )
        size = tuple(int(n) for n in fields.array(f"{GROUP}/size").ravel())
        data = fields.array(RECONSTRUCTION)
        if len(size) != 3 or data.ndim != 3 or data.shape[1:] != (np.prod(size), 1):
            raise fields.wrong_shape(RECONSTRUCTION, data.shape, "(frames, voxels, 1)")
        grid = CalibrationGrid(
            size,
            tuple(fields.array(f"{GROUP}/fieldOfView").ravel().tolist()),
            tuple(fields.array(f"{GROUP}/fieldOfViewCenter").ravel().tolist()),
        )
        parameters = {
            name: dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]
            for name, dataset in file.get(PARAMETERS, {}).items()
        }
    images = data[:, :, 0].reshape(-1, *size[::-1]).transpose(0, 3, 2, 1)
    return Reconstruction(images.astype(np.float64), grid, parameters)

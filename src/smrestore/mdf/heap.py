"""A check that HDF5 lacks: damaged heaps of text, from which its library never returns.

Text of variable length is stored as references into global heap collections (HDF5 File Format
Specification 3.0, III.E). HDF5 walks over the objects of a collection by their sizes, and does not
notice sizes that lead it nowhere.
"""

import math
import os
import struct

import h5py
import numpy as np

_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
_HEADER = 16
_NULL = 0


def check_text_heap(dataset: h5py.Dataset) -> None:
    """Raise ``OSError`` if text of variable length lies in a damaged heap.

    Datasets that are chunked or stored in their header are not checked, nor those of the rare files
    with addresses of other than eight bytes.
    """
    information = h5py.check_string_dtype(dataset.dtype)
    offset = dataset.id.get_offset()
    plist = dataset.file.id.get_create_plist()
    if information is None or information.length is not None or offset is None:
        return
    if plist.get_sizes() != (8, 8):
        return
    descriptor = dataset.file.id.get_vfd_handle()
    n_texts = math.prod(dataset.shape)
    raw = os.pread(descriptor, n_texts * _REFERENCE.itemsize, offset)
    references = np.frombuffer(
        raw[: len(raw) // _REFERENCE.itemsize * _REFERENCE.itemsize], _REFERENCE
    )
    for address in np.unique(references["address"]):
        if address != _NULL:
            _check_collection(descriptor, int(address) + plist.get_userblock())


def _check_collection(descriptor: int, address: int) -> None:
    size = os.fstat(descriptor).st_size
    header = os.pread(descriptor, _HEADER, address) if address < size else b""
    if len(header) < _HEADER or header[:4] != b"GCOL":
        raise OSError("text refers to no heap")
    (length,) = struct.unpack_from("<Q", header, 8)
    if address + length > size:
        raise OSError("a heap of text exceeds the file")
    heap = os.pread(descriptor, length, address)
    place = _HEADER
    while place + _HEADER <= length:
        index, _, _, object_size = struct.unpack_from("<HHIQ", heap, place)
        # Index 0 is the free space at the end, whose size counts its header.
        needed = object_size if index == 0 else _HEADER + -(-object_size // 8) * 8
        if needed < _HEADER or place + needed > length:
            raise OSError("a heap of text is inconsistent")
        place += needed

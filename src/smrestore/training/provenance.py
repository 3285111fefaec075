"""Where a trained network comes from, for its card."""

from pathlib import Path

import h5py

from smrestore.noise import NoisePool
from smrestore.simulation.store import SystemMatrixStore
from smrestore.training.data import Selection


def data_provenance(store: SystemMatrixStore, selection: Selection) -> dict[str, object]:
    """Return how many matrices and components are used, and what the files say of themselves."""
    return {
        "matrices": len(selection.matrices),
        "components": sum(store.n_components(i) for i in selection.matrices),
        "excluded": selection.excluded,
        "cropped": selection.cropped,
        "files": [_attributes(path) for path in store.paths],
    }


def noise_provenance(pool: NoisePool) -> dict[str, object]:
    """Return what a noise pool says about itself, and its scans."""
    scans = [
        {"name": origin.name, "uuid": origin.uuid, "frames": len(origin.frames)}
        for origin in pool.origins
    ]
    return {**_attributes(pool.path), "scans": scans}


def _attributes(path: Path) -> dict[str, object]:
    with h5py.File(path) as file:
        values = dict(file.attrs)
    plain = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in values.items()}
    return {"path": str(path), **plain}

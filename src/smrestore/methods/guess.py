"""First guesses: what a classical method makes of a component, for a network to refine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smrestore.degradation import Degraded
from smrestore.methods.classical import Method, classical_method


@dataclass(frozen=True)
class FirstGuess:
    """A classical method before a network.

    The network sees images on the restored grid, complete, and is told which voxels were measured.
    A network that starts as the identity then starts with what the classical method reaches.
    """

    method: Method

    @classmethod
    def of(cls, options: Mapping[str, object] | None) -> "FirstGuess | None":
        """Return the guess by ``{"method": name, **options}``, None without options."""
        return None if options is None else cls(classical_method(options))

    def __call__(self, batch: Sequence[Degraded]) -> list[Degraded]:
        """Return each component as guessed, in the same units, ``missing`` where not measured."""
        return [
            Degraded(np.asarray(image, np.complex64), item.sigma, unmeasured(item))
            for item, image in zip(batch, self.method(batch), strict=True)
        ]


def unmeasured(item: Degraded) -> np.ndarray | None:
    """Return which voxels of the restored grid were not measured, bool (Nx, Ny, Nz); None if none.

    Both kinds are known: missing voxels of a grid, and those between the voxels of a coarser one.
    """
    if item.spacing == 1:
        return item.missing
    absent = np.ones(item.restored_size, dtype=bool)
    every = (slice(None, None, item.spacing),) * 3
    absent[every] = False if item.missing is None else item.missing
    return absent

"""First guesses: a classical method restores a component, and a network refines the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smrestore.methods.classical import Method, classical_method
from smrestore.methods.options import ClassicalOptions
from smrestore.tasks.degradation import Degraded


@dataclass(frozen=True)
class FirstGuess:
    """A classical method before a network.

    The network sees complete images on the restored grid, and which of their voxels were measured.
    If it starts as the identity, it starts with the quality of the classical method.

    Attributes
    ----------
    method
        The classical method.
    error_share
        The method also restores the measured voxels from every second of them. This share of its
        error is told to the network as noise, besides the noise of the measurement. For smooth
        components, the error of cubic splines between measured voxels is a sixteenth of it.
    """

    method: Method
    error_share: float = 0.0

    @classmethod
    def of(cls, options: Mapping[str, object] | ClassicalOptions | None) -> "FirstGuess | None":
        """Return the first guess by ``{"method": name, **options}``, None without options."""
        if options is None:
            return None
        options = dict(options)
        error_share = options.pop("error_share", 0.0)
        return cls(classical_method(options), error_share)

    def __call__(self, batch: Sequence[Degraded]) -> list[Degraded]:
        """Return the guess of each component in its units; ``missing`` was not measured."""
        return [
            Degraded(np.asarray(image, np.complex64), self._sigma(item), unmeasured(item))
            for item, image in zip(batch, self.method(batch), strict=True)
        ]

    def _sigma(self, item: Degraded) -> float:
        """Return the noise that the network is told."""
        if self.error_share == 0:
            return item.sigma
        measured = item.image
        half = Degraded(measured[::2, ::2, ::2], item.sigma, spacing=2, size=measured.shape)
        (guessed,) = self.method([half])
        error = np.sqrt(np.mean(np.abs(guessed - measured) ** 2))
        return float(np.hypot(item.sigma, self.error_share * error))


def unmeasured(item: Degraded) -> np.ndarray | None:
    """Return which voxels of the restored grid were not measured, bool (Nx, Ny, Nz); None if none.

    These are missing voxels of the measured grid, and the voxels between those of a coarser one.
    """
    if item.spacing == 1:
        return item.missing
    absent = np.ones(item.restored_size, dtype=bool)
    every = (slice(None, None, item.spacing),) * 3
    absent[every] = False if item.missing is None else item.missing
    return absent

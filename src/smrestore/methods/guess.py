"""First guesses: what a classical method makes of a component, for a network to refine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smrestore.methods.classical import Method, classical_method
from smrestore.methods.options import ClassicalOptions
from smrestore.tasks.degradation import Degraded


@dataclass(frozen=True)
class FirstGuess:
    """A classical method before a network.

    The network sees images on the restored grid, complete, and is told which voxels were measured.
    A network that starts as the identity then starts with what the classical method reaches.

    Attributes
    ----------
    method
        The classical method.
    error_share
        Share of the error that the method makes at measured voxels, if it sees every second of them
        only: the network is told it as noise, beside that of the measurement. An interpolation by
        cubic splines is wrong by a sixteenth of that where the component is smooth.
    """

    method: Method
    error_share: float = 0.0

    @classmethod
    def of(cls, options: Mapping[str, object] | ClassicalOptions | None) -> "FirstGuess | None":
        """Return the guess by ``{"method": name, **options}``, None without options."""
        if options is None:
            return None
        options = dict(options)
        error_share = options.pop("error_share", 0.0)
        return cls(classical_method(options), error_share)

    def __call__(self, batch: Sequence[Degraded]) -> list[Degraded]:
        """Return each component as guessed, in the same units, ``missing`` where not measured."""
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

    Both kinds are known: missing voxels of a grid, and those between the voxels of a coarser one.
    """
    if item.spacing == 1:
        return item.missing
    absent = np.ones(item.restored_size, dtype=bool)
    every = (slice(None, None, item.spacing),) * 3
    absent[every] = False if item.missing is None else item.missing
    return absent

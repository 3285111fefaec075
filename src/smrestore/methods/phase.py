"""The global phase of a component.

In an equilibrium model every component is one real image times one global phase. If a noisy
component is turned to its own phase, the signal is in one channel of the network, and the other has
noise alone.
"""

import numpy as np


def phase_factor(image: np.ndarray) -> complex:
    """Return the unit factor exp(i phi) of the phase with most of the energy of the image.

    phi is half the angle of sum(image^2), which maximizes the energy of Re(image exp(-i phi)). It
    is defined up to pi. An image without a preferred phase gives 1.
    """
    direction = np.sum(image.astype(np.complex128) ** 2)
    return complex(np.exp(0.5j * np.angle(direction)))

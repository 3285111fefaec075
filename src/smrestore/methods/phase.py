"""The global phase of a component.

In an equilibrium model every component is one real image times one global phase. Turning a noisy
component to its own phase lets a network tell signal from noise by channel.
"""

import numpy as np


def phase_factor(image: np.ndarray) -> complex:
    """Return the unit factor exp(i phi) of the phase that carries most of the image's energy.

    phi is half the angle of sum(image^2), which maximizes the energy of Re(image exp(-i phi)). It
    is defined up to pi; an image without a preferred phase gives 1.
    """
    direction = np.sum(image.astype(np.complex128) ** 2)
    return complex(np.exp(0.5j * np.angle(direction)))

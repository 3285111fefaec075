"""Moments that follow the field with a delay: Neel and Brown rotation by Fokker and Planck.

rotation                    what can be chosen, and relaxation times
  -> couplings              the equation in spherical harmonics, as sparse couplings
  -> lanes, blocks          linear systems at eight positions at a time, compiled
  -> rosenbrock             steps in time with control of step and degree, compiled
  -> periodic               cycles until they repeat
frames                      fields in the frame of the easy axis
cost                        harmonics and hours, estimated beforehand
  -> values                 :func:`dynamic_values`, in place of ``component_values``
"""

from typing import TYPE_CHECKING

from smrestore.support.lazy import load_names

if TYPE_CHECKING:
    from smrestore.physics.dynamics.rotation import Rotation
    from smrestore.physics.dynamics.values import dynamic_values

__getattr__ = load_names(__name__, {"Rotation": "rotation", "dynamic_values": "values"})

__all__ = ["Rotation", "dynamic_values"]

"""The frame of the easy axis at each position, and the fields in it."""

from dataclasses import dataclass

import numpy as np

from smrestore.physics.dynamics.rosenbrock import Fields
from smrestore.physics.dynamics.rotation import Rotation
from smrestore.physics.setup import Simulation
from smrestore.physics.spectrum import LocalFields, largest_field
from smrestore.physics.vectors import LANES

_FLAT = 1e-10
"""Smallest singular value of unit vectors that are taken to lie in a plane."""


@dataclass(frozen=True, eq=False)
class Places:
    """Positions and what the moment depends on there.

    Attributes
    ----------
    alpha
        Anisotropy energy, float64 (P,).
    frame
        Unit vectors x, y, z of the frame as rows, float64 (P, 3, 3); z is the easy axis.
    static_field
        Reduced static field in the frame, float64 (P, 3).
    drive_field
        Reduced drive field of each axis at its largest in the frame, float64 (P, axis, 3).
    in_plane
        Whether fields and easy axis stay in the plane of x and z, bool (P,).
    """

    alpha: np.ndarray
    frame: np.ndarray
    static_field: np.ndarray
    drive_field: np.ndarray
    in_plane: np.ndarray

    def largest_field(self) -> np.ndarray:
        """Return a bound of the reduced field, float64 (P,)."""
        drive = np.linalg.norm(np.linalg.norm(self.drive_field, axis=2), axis=1)
        return np.linalg.norm(self.static_field, axis=1) + drive


def places_of(
    simulation: Simulation,
    rotation: Rotation,
    positions: np.ndarray,
    fields: LocalFields | None,
) -> Places:
    """Return what the moment depends on at positions (P, 3) in m."""
    particle, sequence = simulation.particle, simulation.sequence
    if fields is None:
        static, scale = sequence.static_field(positions), np.ones((len(positions), 3))
    else:
        fields.check(len(positions))
        static, scale = fields.static_field, fields.drive_scale
    alpha, axis = particle.anisotropy(static, largest_field(sequence, simulation.grid))
    if rotation.kind == "brown":
        alpha = np.zeros_like(alpha)
    driven = np.eye(3)[np.flatnonzero(sequence.driven)]
    strength = np.linalg.norm(static, axis=1, keepdims=True)
    direction = np.where(strength > 0, static / np.where(strength > 0, strength, 1.0), driven[0])
    axis = np.where(alpha[:, None] > 0, axis, direction)
    some = [axis, direction, *(np.broadcast_to(d, axis.shape) for d in driven)]
    _, spread, basis = np.linalg.svd(np.stack(some, axis=1), full_matrices=True)
    in_plane = np.ones(len(axis), dtype=bool)
    if spread.shape[1] > 2:
        in_plane = spread[:, 2] < _FLAT
    # Out of a plane, the direction across the easy axis is any.
    y = np.where(in_plane[:, None], basis[:, 2], np.eye(3)[np.abs(axis).argmin(axis=1)])
    y = y - np.sum(y * axis, axis=1, keepdims=True) * axis
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    frame = np.stack([np.cross(y, axis), y, axis], axis=1)
    amplitude = particle.beta * np.array(sequence.drive_amplitude) * scale
    drive_field = amplitude[:, :, None] * frame.transpose(0, 2, 1)
    static_field = np.einsum("pij,pj->pi", frame, particle.beta * static)
    return Places(alpha, frame, static_field, drive_field, in_plane)


def lanes_of(places: Places, some: np.ndarray, rate: float, simulation: Simulation) -> Fields:
    """Return the fields at up to eight positions; lanes without one repeat the last.

    ``rate`` is D in 1/s.
    """
    some = some[np.minimum(np.arange(LANES), len(some) - 1)]
    sequence = simulation.sequence
    constant = np.concatenate(
        [np.ones((1, LANES)), places.alpha[None, some], places.static_field[some].T]
    )
    drive = places.drive_field[some].transpose(1, 2, 0).reshape(3, 3 * LANES)
    frequency = 2 * np.pi * np.array(sequence.multipliers) / sequence.cycle
    phase = np.array(sequence.drive_phase, dtype=np.float64)
    return Fields(rate * constant.ravel(), rate * drive, frequency, phase)

"""Physics of magnetic particle imaging: particles and sequence in, system matrix out."""

from smrestore.physics.equilibrium import Simulation, moment_spectrum, system_matrix
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import format_order, mixing_orders, total_order
from smrestore.physics.moment import mean_moment
from smrestore.physics.particles import Particle
from smrestore.physics.sequence import Sequence

__all__ = [
    "CalibrationGrid",
    "Particle",
    "Sequence",
    "Simulation",
    "format_order",
    "mean_moment",
    "mixing_orders",
    "moment_spectrum",
    "system_matrix",
    "total_order",
]

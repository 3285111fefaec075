"""Physics of magnetic particle imaging: particles and sequence in, system matrix out."""

from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import format_order, mixing_orders, total_order
from smrestore.physics.moment import mean_moment
from smrestore.physics.particles import Particle
from smrestore.physics.receiver import Receiver
from smrestore.physics.sequence import Sequence
from smrestore.physics.spectrum import (
    Components,
    LocalFields,
    Simulation,
    component_values,
    make_plan,
    system_matrix,
)

__all__ = [
    "CalibrationGrid",
    "Components",
    "LocalFields",
    "Particle",
    "Receiver",
    "Sequence",
    "Simulation",
    "component_values",
    "format_order",
    "make_plan",
    "mean_moment",
    "mixing_orders",
    "system_matrix",
    "total_order",
]

"""Physics of magnetic particle imaging: particles and sequence in, system matrix out.

Names are loaded when they are asked for (PEP 562). Most code that needs a grid or a sequence does
not simulate, and should not wait for the libraries of a simulation.
"""

from typing import TYPE_CHECKING

from smrestore.support.lazy import load_names

if TYPE_CHECKING:
    from smrestore.physics.grid import CalibrationGrid
    from smrestore.physics.mixing import format_order, mixing_orders, total_order
    from smrestore.physics.moment import mean_moment
    from smrestore.physics.particles import Particle
    from smrestore.physics.receiver import Receiver
    from smrestore.physics.sequence import Sequence
    from smrestore.physics.setup import Simulation
    from smrestore.physics.spectrum import (
        Components,
        LocalFields,
        component_values,
        make_plan,
        system_matrix,
    )

__getattr__ = load_names(
    __name__,
    {
        "CalibrationGrid": "grid",
        "Components": "spectrum",
        "LocalFields": "spectrum",
        "Particle": "particles",
        "Receiver": "receiver",
        "Sequence": "sequence",
        "Simulation": "setup",
        "component_values": "spectrum",
        "format_order": "mixing",
        "make_plan": "spectrum",
        "mean_moment": "moment",
        "mixing_orders": "mixing",
        "system_matrix": "spectrum",
        "total_order": "mixing",
    },
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

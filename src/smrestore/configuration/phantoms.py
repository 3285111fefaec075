"""Phantoms: lists of shapes in millimeters. If shapes overlap, the last one counts."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smrestore.configuration.grids import Point
from smrestore.scanner.shapes import shape_faults
from smrestore.support.errors import InputError
from smrestore.support.settings import Number, Settings, either, setting, vector

Length = Annotated[Number, Field(gt=0, le=1000)]
Thickness = Annotated[Number, Field(ge=0, le=1000)]


class Shape(Settings):
    """What all shapes have in common."""

    concentration: Number = setting(
        1.0, "relative to the delta sample: a voxel of 1 holds the tracer of one sample", ge=0
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, what, remedy in shape_faults(dict(self)):
            raise InputError(what, field=name, remedy=remedy)
        return self


class Tube(Shape):
    """A bent tube with round ends."""

    shape: Literal["tube"] = "tube"
    points_mm: vector(Point, 2, 1000) = setting(..., "corners of the center line")
    radius_mm: Length = setting(..., "radius")


class Rod(Shape):
    """A straight cylinder with flat ends."""

    shape: Literal["rod"] = "rod"
    start_mm: Point = setting(..., "middle of one end")
    stop_mm: Point = setting(..., "middle of the other end")
    radius_mm: Length = setting(..., "radius")
    inner_radius_mm: Thickness = setting(0.0, "radius of the empty inside; 0 for a solid rod")


class Spiral(Shape):
    """A band along an Archimedean spiral across z."""

    shape: Literal["spiral"] = "spiral"
    center_mm: Point = setting(..., "center")
    start_radius_mm: Thickness = setting(..., "distance of the inner end from the center")
    pitch_mm: Length = setting(..., "growth of this distance per turn")
    turns: Number = setting(
        ..., "turns, from the x axis towards the y axis; need not be whole", gt=0, le=100
    )
    width_mm: Length = setting(..., "width of the band in the plane")
    height_mm: Length = setting(..., "height along z")


class Box(Shape):
    """A cuboid along the axes, or a rectangular frame around z."""

    shape: Literal["box"] = "box"
    center_mm: Point = setting(..., "center")
    size_mm: vector(Length, 3) = setting(..., "edge lengths along x, y, z")
    wall_mm: Thickness = setting(0.0, "thickness of the frame; 0 for a solid box")


AnyShape = either(Tube, Rod, Spiral, Box, by="shape", default="tube")
Phantom = vector(AnyShape, 1, 1000)

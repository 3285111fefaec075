"""Docstrings name things as Sphinx does, and the site shows these names as code."""

import re

import griffe

ROLE = re.compile(r":[a-z]+:`~?([\w.]+)`")


class Roles(griffe.Extension):
    """Turn roles such as ``:class:`smrestore.physics.Particle` `` into code, ``Particle``."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(
                lambda found: f"`{found[1].rpartition('.')[2]}`", obj.docstring.value
            )

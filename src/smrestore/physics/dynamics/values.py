"""System matrices of particles that follow their equilibrium with some delay."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

import numba
import numpy as np
import scipy.fft

from smrestore.physics.dynamics.cost import (
    HIGHEST_DEGREE,
    estimated_hours,
    harmonics_memory,
    sufficient_degree,
)
from smrestore.physics.dynamics.couplings import couplings
from smrestore.physics.dynamics.frames import Places, lanes_of, places_of
from smrestore.physics.dynamics.periodic import Accuracy, DegreeError, periodic_moments
from smrestore.physics.dynamics.rotation import Rotation
from smrestore.physics.setup import Simulation
from smrestore.physics.spectrum import Components, LocalFields, component_values
from smrestore.physics.vectors import LANES
from smrestore.support.errors import InputError

TOLERANCE = 1e-4
"""Error of components over the largest one at a position."""
TIGHTEST = 1e-9
SHORTEST_RELAXATION = 1e-12
"""Relaxation time over a cycle. Below, a step hardly differs from none in double precision."""
MEMORY = 4 * 2**30
LONGEST_HOURS = 24.0


def dynamic_values(
    simulation: Simulation,
    rotation: Rotation,
    components: Components,
    positions: np.ndarray | None = None,
    *,
    fields: LocalFields | None = None,
    tolerance: float = TOLERANCE,
    threads: int | None = None,
    memory: int = MEMORY,
    hours: float = LONGEST_HOURS,
    out: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Return i S of chosen components at every position, by the Fokker-Planck equation.

    As :func:`smrestore.physics.component_values`, with moments that begin in equilibrium and are
    followed until they repeat with each cycle. Where a cycle changes them by less than a hundredth
    of the tolerance, they count as periodic, so particles that are blocked for many cycles keep the
    well of their anisotropy in which they began. The eight positions that are handled at a time
    share their steps, so values depend on the others within the tolerance.

    Parameters
    ----------
    simulation
        What to simulate; its particle has no Debye relaxation time of its own.
    rotation
        How moments turn.
    components
        Which components, in which order.
    positions
        float64 (P, 3) in m; the voxel centers of the grid, z fastest, if not given.
    fields
        Fields at the positions, if they are not those of the sequence.
    tolerance
        Error of components over the largest one, about; 1e-9 to 1e-2.
    threads
        Threads; ``numba.get_num_threads()`` if not given.
    memory, hours
        Bytes and hours that the request may take at most, as estimated beforehand.
    out
        Array for the result, (P, S), complex64 or complex128.
    progress
        Called with the number of positions done since the last call.

    Returns
    -------
    numpy.ndarray
        (P, S) in 1/s, complex128.

    Raises
    ------
    InputError
        If the tolerance or a relaxation time is beyond what double precision allows, if the request
        takes more memory or time than allowed, if the moment does not become periodic, or if the
        fields are those of other positions.
    """
    if positions is None:
        positions = simulation.grid.positions().reshape(-1, 3)
    if out is None:
        out = np.empty((len(positions), len(components)), dtype=np.complex128)
    threads = threads or numba.get_num_threads()
    if simulation.particle.relaxation_time:
        raise InputError(
            f"Debye relaxation of {simulation.particle.relaxation_time:g} s beside a rotation",
            field="relaxation_time",
            remedy="set it to 0; the rotation has its own",
        )
    if not TIGHTEST <= tolerance <= 1e-2:
        raise InputError(
            f"tolerance {tolerance:g}",
            field="tolerance",
            remedy=f"give one between {TIGHTEST:g} and 0.01",
        )
    limits = {"tolerance": tolerance, "threads": threads, "memory": memory, "hours": hours}
    across = np.flatnonzero(~np.array(simulation.sequence.driven))
    if rotation.flat and fields is not None and len(across) == 1:
        flat = fields.static_field.copy()
        flat[:, across] = 0
        in_plane = LocalFields(flat, fields.drive_scale)
        dynamic_values(
            simulation, replace(rotation, flat=False), components, positions, fields=in_plane,
            out=out, progress=progress, **limits,
        )  # fmt: skip
        for local, add in ((fields, np.add), (in_plane, np.subtract)):
            still = component_values(
                simulation, components, positions, fields=local, threads=threads
            )
            add(out, still, out=out)
        return out
    if rotation.kind == "equilibrium":
        out[...] = component_values(
            simulation, components, positions, fields=fields, threads=threads, progress=progress
        )
        return out
    relaxation_time = rotation.relaxation_time(simulation.particle)
    if relaxation_time < SHORTEST_RELAXATION * simulation.sequence.cycle:
        raise InputError(
            f"the relaxation time of {relaxation_time:g} s is too short for a cycle of "
            f"{simulation.sequence.cycle:g} s in double precision",
            field="viscosity" if rotation.kind == "brown" else "damping",
            remedy="use equilibrium",
        )
    places = places_of(simulation, rotation, positions, fields)
    accuracy = Accuracy.of(tolerance)
    plane = places.in_plane & (not rotation.precession)
    groups = _groups(plane)
    degrees = _degrees(places, groups, accuracy.tail)
    _check_cost(simulation, degrees, plane, tolerance, threads, memory, hours)

    fill = functools.partial(_fill, simulation, rotation, components, places, accuracy, out)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="dynamics")
    try:
        jobs = [
            pool.submit(fill, some, bool(plane[some[0]]), int(degrees[some[0]])) for some in groups
        ]
        for job in as_completed(jobs):
            done = job.result()
            if progress:
                progress(done)
    finally:
        pool.shutdown(cancel_futures=True)
    return out


def _groups(plane: np.ndarray) -> list[np.ndarray]:
    """Return positions in groups of up to LANES, all of them in a plane or none."""
    kinds = [np.flatnonzero(plane), np.flatnonzero(~plane)]
    return [kind[i : i + LANES] for kind in kinds for i in range(0, len(kind), LANES)]


def _degrees(places: Places, groups: list[np.ndarray], tail: float) -> np.ndarray:
    """Return the largest degree that moments of equilibrium need at each position's group."""
    field, alpha = np.ceil(places.largest_field()), np.ceil(places.alpha)
    degrees = np.empty(len(field), dtype=np.int64)
    for some in groups:
        degrees[some] = sufficient_degree(float(field[some].max()), float(alpha[some].max()), tail)
    return degrees


def _check_cost(
    simulation: Simulation,
    degrees: np.ndarray,
    plane: np.ndarray,
    tolerance: float,
    threads: int,
    memory: int,
    hours: float,
) -> None:
    """Raise :class:`InputError` if positions take too much memory or time."""
    degree = int(degrees.max(initial=0))
    needed = threads * (
        harmonics_memory(degree + 4, bool(plane.all()))
        + 8 * 10 * LANES * simulation.sequence.n_samples
    )
    if degree >= HIGHEST_DEGREE or needed > memory:
        several = f"{degree}" if degree < HIGHEST_DEGREE else f"more than {HIGHEST_DEGREE}"
        raise InputError(
            f"spherical harmonics of degrees up to {several} take {needed / 2**30:.2g} GiB or more "
            f"in {threads} threads, and {memory / 2**30:.2g} GiB are allowed",
            field="core_diameter",
            remedy="reduce core diameter, anisotropy, fields or threads, or allow more memory",
        )
    estimate = estimated_hours(simulation, degrees, plane, tolerance, threads)
    if estimate > hours:
        raise InputError(
            f"{len(degrees)} positions would take about {estimate:.2g} hours, and {hours:g} are "
            "allowed",
            field="hours",
            remedy="use fewer positions, a larger tolerance, smaller cores, no precession or a "
            "shorter cycle, or allow more hours",
        )


def _fill(
    simulation: Simulation,
    rotation: Rotation,
    components: Components,
    places: Places,
    accuracy: Accuracy,
    out: np.ndarray,
    some: np.ndarray,
    plane: bool,
    degree: int,
) -> int:
    """Write the components at up to LANES positions and return how many they are."""
    sequence = simulation.sequence
    rate = 0.5 / rotation.relaxation_time(simulation.particle)
    fields = lanes_of(places, some, rate, simulation)
    while True:
        degree += 4
        links = couplings(degree, plane, 1 / rotation.damping if rotation.precession else 0.0)
        try:
            moments, _ = periodic_moments(links, fields, sequence, accuracy)
            break
        except DegreeError:
            continue
    moments = np.einsum("pij,itp->jtp", places.frame[some], moments[:, :, : len(some)])
    signal = np.einsum("cj,jtp->ctp", simulation.receiver.sensitivity, moments)
    factor = simulation.component_factor()[components.channel, components.frequency]
    for channel in np.unique(components.channel):
        chosen = np.flatnonzero(components.channel == channel)
        spectra = scipy.fft.rfft(signal[channel], axis=0)[components.frequency[chosen]]
        out[np.ix_(some, chosen)] = spectra.T * (factor[chosen] / sequence.n_samples)
    return len(some)

"""System matrices: particles, sequence and grid in, spectra of the receive channels out.

Positions are independent, so they are handled in blocks by a pool of threads, of which each runs
compiled code on one core, eight positions at a time. A spectrum is taken on the torus of drive
phases (:mod:`smrestore.physics.torus`) or from samples in time, whichever costs less at a position;
both give the same discrete Fourier coefficients. On the torus, positions that mirror each other are
evaluated once (:mod:`smrestore.physics.mirrors`). With cosine excitation the field, and so the
moment, is even in time: half of the samples determine the spectrum
(:mod:`smrestore.physics.lattice`).

All functions but :func:`system_matrix` return i S instead of S. In an equilibrium model with cosine
excitation i S is real, and float64. With other phases, relaxation or a transfer function it is
complex128.
"""

import functools
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numba
import numpy as np
import scipy.fft

from smrestore.physics import lattice, torus
from smrestore.physics.block import Memory, Places, fill_components, receive, sample_moment
from smrestore.physics.cosines import Pattern, panel_size
from smrestore.physics.folding import Chosen, Folding
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mirrors import NO_MIRRORS, Mirrors, mirrors_of, originals
from smrestore.physics.moment import sufficient_quadrature
from smrestore.physics.moment_table import CELL_SIZE, moment_table
from smrestore.physics.scratch import scratch
from smrestore.physics.sequence import Sequence
from smrestore.physics.setup import Simulation
from smrestore.physics.vectors import LANES
from smrestore.support.choices import Evaluator
from smrestore.support.errors import InputError

EVALUATORS = get_args(Evaluator)
TRANSFORMS = ("fastest", "torus", "time")
BLOCK_SAMPLES = 100_000
"""Evaluations of the moment in a block, the work that a thread takes at a time: milliseconds."""
FFT_COPIES = 3
"""Arrays of the size of the moment that an FFT holds at a time; other transforms need one."""


@dataclass(frozen=True)
class Components:
    """Chosen components of a system matrix: ``channel`` and ``frequency``, int64 (S,)."""

    channel: np.ndarray
    frequency: np.ndarray

    def __len__(self) -> int:
        return len(self.channel)

    @classmethod
    def all_of(cls, simulation: Simulation) -> "Components":
        """Return all components, ordered by channel, then frequency."""
        n_frequencies = simulation.sequence.n_frequencies
        channel, frequency = np.divmod(
            np.arange(simulation.receiver.n_channels * n_frequencies), n_frequencies
        )
        return cls(channel, frequency)


@dataclass(frozen=True, eq=False)
class LocalFields:
    """Fields at given positions that differ from those of the sequence.

    Attributes
    ----------
    static_field
        Selection and offset field at each position, float64 (P, 3) in T.
    drive_scale
        Drive field over that of the sequence, float64 (P, 3), positive.
    """

    static_field: np.ndarray
    drive_scale: np.ndarray

    def check(self, n_positions: int) -> None:
        """Raise :class:`InputError` if the fields are not those of so many positions."""
        for name in ("static_field", "drive_scale"):
            if getattr(self, name).shape != (n_positions, 3):
                raise InputError(
                    f"shape {getattr(self, name).shape} for {n_positions} positions",
                    field=name,
                    remedy="give three numbers for each position",
                )
        if not np.min(self.drive_scale, initial=1.0) > 0:
            raise InputError(
                f"factor {np.min(self.drive_scale):g}",
                field="drive_scale",
                remedy="give positive factors; a drive field is switched off by its amplitude",
            )


@dataclass(frozen=True)
class Group:
    """Places whose spectra are taken in the same way.

    Attributes
    ----------
    places
        Indices of the places in the plan, int64.
    counts
        Nodes per axis on the torus, None for samples in time.
    """

    places: np.ndarray
    counts: tuple[int, int, int] | None


@dataclass(frozen=True)
class Plan:
    """How the spectra of a set of positions are taken.

    The moment is evaluated at places, of which most stand for several positions, their images
    (:mod:`smrestore.physics.mirrors`).

    Attributes
    ----------
    alpha, easy_axis, static_field
        Anisotropy energy (Q,), easy axis (Q, 3) and reduced static field (Q, 3) at each place.
    images
        Which position is image e of a place, int64 (Q, E); -1 for none.
    mirrors
        How images follow from a place.
    groups
        They hold each place once.
    n_evaluations
        Evaluations of the moment altogether.
    n_shared
        Evaluations that would be left for these positions, if all their images were asked for and
        took a share.
    drive_scale
        Drive field over that of the sequence, (Q, 3), or None if it is the same everywhere.
    """

    alpha: np.ndarray
    easy_axis: np.ndarray
    static_field: np.ndarray
    images: np.ndarray
    mirrors: Mirrors
    groups: tuple[Group, ...]
    n_evaluations: int
    n_shared: float
    drive_scale: np.ndarray | None = None


# Nanoseconds on one core, from benchmarks/simulation.py: an evaluation of the moment; its share of
# a transform along an axis, for each node of the axis; a sample of an FFT, by log2 of its length.
_EVALUATION, _PRODUCT, _FFT = 10.0, 0.12, 4.0


def _cost_in_time(sequence: Sequence) -> float:
    """Return the estimated time for the samples of a period in ns."""
    lengths = lattice.axis_lengths(sequence)
    per_sample = _FFT * np.log2(sequence.n_samples) if lengths is None else _PRODUCT * sum(lengths)
    return _samples_in_time(sequence) * (_EVALUATION + per_sample)


def make_plan(
    simulation: Simulation,
    positions: np.ndarray,
    transform: str = "fastest",
    fields: LocalFields | None = None,
    tolerance: float = torus.TOLERANCE,
) -> Plan:
    """Choose the transform and its nodes at each position.

    Parameters
    ----------
    positions
        float64 (P, 3) in m.
    transform
        ``torus`` or ``time`` force one way; ``fastest`` chooses by estimated time.
    fields
        Fields at the positions, if they are not those of the sequence.
    tolerance
        On the torus, see :func:`smrestore.physics.torus.node_counts`.
    """
    particle, sequence = simulation.particle, simulation.sequence
    amplitude = particle.beta * np.array(sequence.drive_amplitude)
    if fields is None:
        mirrors, scale = mirrors_of(particle, sequence, simulation.receiver), None
        static_field, images = originals(sequence.static_field(positions), mirrors)
    else:
        fields.check(len(positions))
        mirrors, scale = NO_MIRRORS, fields.drive_scale
        static_field, images = fields.static_field, np.arange(len(positions))[:, None]
        amplitude = amplitude * scale
    alpha, easy_axis = particle.anisotropy(static_field, largest_field(sequence, simulation.grid))
    static_field = particle.beta * static_field
    needed = torus.node_counts(alpha, easy_axis, static_field, amplitude, tolerance)
    counts = torus.rounded_up(needed)
    n_images = mirrors.count(static_field)
    on_torus = _prefers_torus(sequence, counts, n_images, transform)
    # Samples in time have no mirrors: each image is a place of its own, after those on the torus.
    place, image = np.nonzero((images >= 0) & ~on_torus[:, None])
    sign = mirrors.signs()[image]
    alone = np.full((len(place), mirrors.n_images), -1)
    alone[:, 0] = images[place, image]
    counts = counts[on_torus]
    groups = _torus_groups(counts, alpha[on_torus])
    if place.size:
        groups = [Group(len(counts) + np.arange(len(place)), None), *groups]
    at = np.concatenate([np.flatnonzero(on_torus), place])
    nodes, in_time = counts.prod(axis=1), _samples_in_time(sequence) * len(place)
    asked = np.count_nonzero(images[on_torus] >= 0, axis=1)
    return Plan(
        alpha[at],
        np.concatenate([easy_axis[on_torus], easy_axis[place] * sign]),
        np.concatenate([static_field[on_torus], static_field[place] * sign]),
        np.concatenate([images[on_torus], alone]),
        mirrors,
        tuple(groups),
        int(nodes.sum()) + in_time,
        float((nodes * asked / n_images[on_torus]).sum()) + in_time,
        None if scale is None else scale[at],
    )


def _prefers_torus(
    sequence: Sequence, counts: np.ndarray, n_images: np.ndarray, transform: str
) -> np.ndarray:
    """Return where the torus is taken, bool (Q,).

    ``counts`` are the nodes per axis, (Q, 3), 0 for more than it has; ``n_images`` positions share
    them.
    """
    nodes = counts.prod(axis=1)
    if transform == "time":
        return np.zeros(len(nodes), dtype=bool)
    if transform == "torus":
        if not nodes.all():
            raise InputError(
                "the moment needs more nodes than the torus transform has",
                field="transform",
                remedy="use 'fastest' or 'time'",
            )
        return np.ones(len(nodes), dtype=bool)
    widths = np.where(counts > 1, counts, 0).sum(axis=1)
    cost = nodes * (_EVALUATION + _PRODUCT * widths)
    return (nodes > 0) & (cost <= n_images * _cost_in_time(sequence))


def _torus_groups(counts: np.ndarray, alpha: np.ndarray) -> list[Group]:
    """Return places of equal nodes, from the most work for a block to the least.

    Threads then end together.
    """
    kinds, kind = np.unique(counts, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    groups = []
    for number in np.argsort(-kinds.prod(axis=1), kind="stable").tolist():
        chosen = np.flatnonzero(kind == number)
        order = np.argsort(alpha[chosen], kind="stable")
        groups.append(Group(chosen[order], tuple(kinds[number].tolist())))
    return groups


def largest_field(sequence: Sequence, grid: CalibrationGrid) -> float:
    """Return the largest |H_S| on a grid in T; it is at one of the outermost voxel centers."""
    ends = [axis[[0, -1]] for axis in grid.axes()]
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1)
    return np.linalg.norm(sequence.static_field(corners), axis=-1).max()


def _samples_in_time(sequence: Sequence) -> int:
    """Return how many samples in time are evaluated for the spectrum."""
    lengths = lattice.axis_lengths(sequence)
    return sequence.n_samples if lengths is None else len(lattice.sample_numbers(lengths))


def component_values(
    simulation: Simulation,
    components: Components,
    positions: np.ndarray | None = None,
    *,
    fields: LocalFields | None = None,
    evaluator: str = "table",
    transform: str = "fastest",
    tolerance: float = torus.TOLERANCE,
    threads: int | None = None,
    memory: int | None = None,
    out: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Return i S of chosen components at every position.

    The values at a position do not depend on the other positions, the threads or the memory.

    Parameters
    ----------
    simulation
        What to simulate.
    components
        Which components, in which order.
    positions
        float64 (P, 3) in m; the voxel centers of the grid, z fastest, if not given. Fluid particles
        stay scaled to the largest static field on the grid.
    fields
        Fields at the positions, if they are not those of the sequence.
    evaluator
        ``table``, or ``quadrature`` for the reference, twenty times slower.
    transform, tolerance
        See :func:`make_plan`.
    threads
        Threads, each with eight positions at a time; ``numba.get_num_threads()`` if not given.
    memory
        Bytes of working memory, the result not included; no limit if not given.
    out
        Array for the result, (P, S); float32 and complex64 are possible, too.
    progress
        Called with the number of positions done since the last call.

    Returns
    -------
    numpy.ndarray
        (P, S) in 1/s, float64, or complex128 if i S is not real.

    Raises
    ------
    InputError
        If an option is unknown, the fields are those of other positions, or the memory is too
        small for the positions in work.
    """
    for name, value, known in (
        ("evaluator", evaluator, EVALUATORS),
        ("transform", transform, TRANSFORMS),
    ):
        if value not in known:
            raise InputError(
                f"unknown {name} {value!r}", field=name, remedy=f"use one of {', '.join(known)}"
            )
    if positions is None:
        positions = simulation.grid.positions().reshape(-1, 3)
    if out is None:
        dtype = np.float64 if simulation.is_real else np.complex128
        out = np.empty((len(positions), len(components)), dtype=dtype)
    threads = threads or numba.get_num_threads()
    plan = make_plan(simulation, positions, transform, fields, tolerance)
    factor = simulation.component_factor()[components.channel, components.frequency]
    job = _Job(simulation, plan, components, factor, *_evaluator(simulation, plan, evaluator))

    def blocks() -> Iterator[Callable[[], int]]:
        for group in plan.groups:
            samples = _samples(job, group)
            n_samples = samples.drive_field.shape[1]
            needed = _batch_bytes(simulation, samples)
            if memory is not None and needed * threads > memory:
                raise InputError(
                    f"{memory / 2**20:.3g} MiB are too little for {LANES} positions in each of "
                    f"{threads} threads, which take {needed * threads / 2**20:.3g} MiB",
                    field="memory",
                    remedy="allow more memory or use fewer threads",
                )
            size = max(LANES, BLOCK_SAMPLES // n_samples // LANES * LANES)
            for start in range(0, len(group.places), size):
                some = group.places[start : start + size]
                yield functools.partial(_fill_block, job, samples, some, out)

    # Few blocks wait at a time: memory does not grow with the grid, and an error ends it soon.
    pool, waiting = _pool(threads), deque()
    try:
        for block in blocks():
            waiting.append(pool.submit(block))
            if len(waiting) == 4 * threads:
                done = waiting.popleft().result()
                if progress:
                    progress(done)
        while waiting:
            done = waiting.popleft().result()
            if progress:
                progress(done)
    finally:
        for future in waiting:
            future.cancel()
        wait(waiting)
    return out


# Threads are kept, and with them their scratch memory, because fresh memory is slow.
@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="system-matrix")


os.register_at_fork(after_in_child=_pool.cache_clear)


class _Job(NamedTuple):
    """What is the same for all blocks.

    Attributes
    ----------
    factor
        i S over the moment spectrum for each component, (S,).
    table, nodes
        As :func:`smrestore.physics.block.sample_moment` wants them.
    """

    simulation: Simulation
    plan: Plan
    components: Components
    factor: np.ndarray
    table: np.ndarray
    nodes: np.ndarray


class _Samples(NamedTuple):
    """How the spectra of a group are taken.

    Attributes
    ----------
    drive_field
        Reduced drive field at the samples, float64 (3, N).
    n_images
        Positions that a place may stand for.
    chosen, pattern, folding
        As :func:`smrestore.physics.block.fill_components` wants them. Without them, the samples are
        those of a period in time, and an FFT is taken.
    """

    drive_field: np.ndarray
    n_images: int
    chosen: Chosen | None = None
    pattern: Pattern | None = None
    folding: Folding | None = None


def _evaluator(simulation: Simulation, plan: Plan, evaluator: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a table or the nodes of quadrature, and the other one empty."""
    amplitude = simulation.particle.beta * np.array(simulation.sequence.drive_amplitude)
    if plan.drive_scale is not None:
        amplitude = amplitude * plan.drive_scale.max(axis=0)
    static = np.linalg.norm(plan.static_field, axis=1).max()
    along = static + np.linalg.norm(amplitude)
    if evaluator == "quadrature":
        nodes = sufficient_quadrature(plan.alpha.max() + along)
        return np.empty((0, 0, 0, 1, CELL_SIZE)), nodes.copy()
    # The easy axis of fluid particles is that of the static field, which has no part across it.
    fluid = simulation.particle.model != "langevin" and simulation.particle.state == "fluid"
    across = np.linalg.norm(amplitude) if fluid else along
    return moment_table(plan.alpha, along, across), np.empty((3, 0))


def _samples(job: _Job, group: Group) -> _Samples:
    sequence, beta = job.simulation.sequence, job.simulation.particle.beta
    if group.counts is not None:
        mirrors = job.plan.mirrors
        amplitude = beta * np.array(sequence.drive_amplitude)
        drive_field = amplitude[:, None] * torus.node_cosines(group.counts)
        pattern = torus.pattern(group.counts)
        folding = torus.folding(sequence, group.counts, job.components.frequency, mirrors)
    else:
        mirrors = NO_MIRRORS
        drive_field = beta * sequence.drive_field(sequence.n_samples)
        lengths = lattice.axis_lengths(sequence)
        if lengths is None:
            return _Samples(drive_field, mirrors.n_images)
        drive_field = np.ascontiguousarray(drive_field[:, lattice.sample_numbers(lengths)])
        pattern, folding = lattice.pattern(lengths), lattice.folding(lengths)
    # The second part of the weights is imaginary.
    factor = np.stack([job.factor, 1j * job.factor][: len(folding.weight)])
    channel, frequency = job.components.channel, job.components.frequency
    sign = mirrors.channel_signs(job.simulation.receiver)[channel]
    chosen = Chosen(channel, frequency, factor, sign)
    return _Samples(drive_field, mirrors.n_images, chosen, pattern, folding)


def _batch_bytes(simulation: Simulation, samples: _Samples) -> int:
    """Return the working memory of the positions that a thread handles at a time, in bytes."""
    n_channels = 3 if simulation.receiver.is_unit else 3 + simulation.receiver.n_channels
    copies = FFT_COPIES if samples.pattern is None else 1
    return 8 * LANES * copies * n_channels * samples.drive_field.shape[1]


def _fill_block(job: _Job, samples: _Samples, some: np.ndarray, values: np.ndarray) -> int:
    """Write the components at a block of places and return how many positions they stand for."""
    plan, receiver = job.plan, job.simulation.receiver
    rows = plan.images[some, : samples.n_images]
    scale = np.ones((len(some), 3)) if plan.drive_scale is None else plan.drive_scale[some]
    places = Places(rows, plan.alpha[some], plan.easy_axis[some], plan.static_field[some], scale)
    sensitivity = np.empty((0, 3)) if receiver.is_unit else receiver.sensitivity
    n_numbers = samples.drive_field.shape[1] * LANES
    _, n_along, n_across, n_powers, _ = job.table.shape
    n_cells = n_along * n_across * LANES if n_powers > 1 else 0
    memory = Memory(
        scratch("moment", 3 * n_numbers),
        scratch("signal", len(sensitivity) * n_numbers),
        scratch("cells", n_cells * CELL_SIZE),
        scratch("panel", panel_size(samples.pattern) if samples.pattern else 0),
    )
    fields = samples.drive_field, job.table, job.nodes
    if samples.pattern is None:
        _fill_by_fft(job, places, fields, sensitivity, memory, values)
    else:
        transform = samples.pattern, samples.chosen, samples.folding
        fill_components(places, *fields, sensitivity, *transform, memory, values)
    return int(np.count_nonzero(rows >= 0))


def _fill_by_fft(
    job: _Job,
    places: Places,
    fields: tuple[np.ndarray, np.ndarray, np.ndarray],
    sensitivity: np.ndarray,
    memory: Memory,
    values: np.ndarray,
) -> None:
    """Write components from the samples of whole periods in time."""
    sequence = job.simulation.sequence
    for first in range(0, len(places.rows), LANES):
        some = Places(*(array[first : first + LANES] for array in places))
        signal = memory.moment.reshape(3, -1, LANES)
        sample_moment(some, *fields, memory.cells, signal)
        if len(sensitivity):
            moment, signal = signal, memory.signal.reshape(len(sensitivity), -1, LANES)
            receive(moment, sensitivity, signal)
        for channel in np.unique(job.components.channel):
            chosen = np.flatnonzero(job.components.channel == channel)
            frequency = job.components.frequency[chosen]
            spectra = scipy.fft.rfft(signal[channel, :, : len(some.rows)], axis=0)
            if sequence.even_in_time:
                spectra = spectra.real
            part = spectra[frequency].T * (job.factor[chosen] / sequence.n_samples)
            values[np.ix_(some.rows[:, 0], chosen)] = part


def system_matrix(
    simulation: Simulation,
    positions: np.ndarray | None = None,
    *,
    simulate: Callable[..., np.ndarray] = component_values,
    **options: object,
) -> np.ndarray:
    """Return the system matrix S[c, k](r) = -(2 pi i k / T) m_hat[c, k](r) of all components.

    m_hat[c, k] = (1/V) sum_j m_c(r, t_j) exp(-2 pi i j k / V) is the spectrum of the mean moment in
    units of the particle's moment m_0, weighted by the coil sensitivity and multiplied by
    relaxation and transfer function where there are any.

    Parameters
    ----------
    simulation
        What to simulate; the grid should be small, since all components are kept.
    simulate
        :func:`component_values`, or a function that takes its place.
    positions, options
        Those of this function.

    Returns
    -------
    numpy.ndarray
        complex128 (C, K, Nx, Ny, Nz), or (C, K, P) at given positions, in 1/s: receive channel,
        frequency, voxel.
    """
    shape = simulation.grid.size if positions is None else (len(positions),)
    everything = Components.all_of(simulation)
    values = simulate(simulation, components=everything, positions=positions, **options).T
    matrix = np.zeros(values.shape, dtype=np.complex128)
    if simulation.is_real:
        np.negative(values, out=matrix.imag)
    else:
        np.multiply(values, -1j, out=matrix)
    return matrix.reshape(simulation.receiver.n_channels, -1, *shape)

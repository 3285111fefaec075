"""From equilibrium at the start of a cycle to moments that repeat with each cycle.

The density forgets where it began. A cycle is run again until its states are those of the cycle
before, which mostly takes a small part of it, because states are compared at several times. Where
relaxation takes many cycles, the slowest mode is extrapolated.
"""

from dataclasses import dataclass

import numpy as np

from smrestore.physics.dynamics.couplings import Couplings
from smrestore.physics.dynamics.rosenbrock import (
    DEGREE_TOO_LOW,
    DONE,
    LOWEST_DEGREE,
    Fields,
    equilibrium,
    integrate,
    make_memory,
)
from smrestore.physics.sequence import Sequence
from smrestore.physics.vectors import LANES
from smrestore.support.errors import InputError

N_PARTS = 16
"""Parts of a cycle, at whose ends states are compared."""
MOST_CYCLES = 40


class DegreeError(Exception):
    """The moments need a higher degree than the couplings have."""


@dataclass(frozen=True)
class Accuracy:
    """Bounds that follow from the tolerance of components.

    Attributes
    ----------
    step
        Error of a step.
    tail
        Moments of the two highest degrees. The error that it causes is of second order.
    closure
        How far a state may be from the periodic one.
    """

    step: float
    tail: float
    closure: float

    @classmethod
    def of(cls, tolerance: float) -> "Accuracy":
        """Return the bounds for errors of this part of the largest component."""
        return cls(0.5 * tolerance, np.sqrt(tolerance), 0.1 * tolerance)


def periodic_moments(
    links: Couplings, fields: Fields, sequence: Sequence, accuracy: Accuracy
) -> tuple[np.ndarray, int]:
    """Return the moments of a cycle, float64 (3, V, LANES), and the number of steps.

    They are along x, y and z of the frame of the easy axis, in units of the particle's moment.

    Raises
    ------
    DegreeError
        If the couplings end at too low a degree.
    InputError
        If steps become too short, or cycles do not close.
    """
    memory = make_memory(links)
    state = np.zeros(links.n_unknowns * LANES)
    tail = accuracy.tail
    degree = equilibrium(links, fields, 0.0, LOWEST_DEGREE, tail, memory, state)
    if degree < 0:
        raise DegreeError
    n_samples = sequence.n_samples
    interval = sequence.cycle / n_samples
    moments = np.zeros((3, n_samples, LANES))
    ends = np.arange(N_PARTS + 1) / N_PARTS * sequence.cycle
    step, n_steps, first = interval, 0, True
    states, begins, gaps = [None] * N_PARTS, [None] * N_PARTS, np.full(N_PARTS, np.nan)
    history = []
    for _ in range(MOST_CYCLES):
        new_gaps = np.full(N_PARTS, np.nan)
        for part in range(N_PARTS):
            # Each part takes the same steps again, so that states differ by their past alone.
            if first:
                begins[part] = step, degree
            else:
                step, degree = begins[part][0], max(degree, begins[part][1])
            stop = n_samples if part == N_PARTS - 1 else n_samples + 1
            status, step, degree, tried = integrate(
                links,
                fields,
                ends[part],
                ends[part + 1],
                step,
                degree,
                accuracy.step,
                tail,
                memory,
                state,
                interval,
                min(stop, n_samples),
                moments,
            )
            n_steps += tried
            if status == DEGREE_TOO_LOW:
                raise DegreeError
            if status != DONE:
                raise InputError(
                    f"steps of {step:g} s are too short for double precision",
                    field="tolerance",
                    remedy="allow a larger tolerance",
                )
            if not first:
                new_gaps[part] = np.abs(state - states[part]).max()
                if _closed(part, new_gaps, gaps, accuracy.closure):
                    return moments, n_steps
            states[part] = state.copy()
        gaps, first = new_gaps, False
        history.append(states[-1])
        if len(history) == 3:
            state, history, first = _extrapolated(*history), [], True
    raise InputError(
        f"the moment is not periodic after {MOST_CYCLES} cycles, of which each changes it by "
        f"{np.nanmax(gaps):.1g}",
        field="anisotropy_constant",
        remedy="reduce the anisotropy or the core diameter, so that moments relax within a cycle, "
        "or allow a larger tolerance",
    )


def _closed(part: int, gaps: np.ndarray, before: np.ndarray, closure: float) -> bool:
    """Return whether the state is periodic, by the differences from one cycle to the next."""
    gap = gaps[part]
    if gap < 0.1 * closure:
        return True
    if np.isfinite(before[part]):
        kept = gap / before[part]
    elif part:
        kept = (gap / gaps[0]) ** (N_PARTS / part)
    else:
        return False
    return kept < 1 and gap * max(1.0, kept / (1 - kept)) < closure


def _extrapolated(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> np.ndarray:
    """Return the limit of a sequence of states that differ by one decaying mode (Aitken)."""
    old = (second - first).reshape(-1, LANES)
    new = (third - second).reshape(-1, LANES)
    power = (old * old).sum(axis=0)
    kept = (old * new).sum(axis=0) / np.where(power > 0, power, 1.0)
    kept = np.clip(kept, 0.0, 1 - 1e-9)
    return third + (new * (kept / (1 - kept))).ravel()

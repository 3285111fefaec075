"""How far a model is believed: strength, length and drift of its misfit, by classes of components.

The misfit of components of high mixing orders is rougher than that of low ones, so each class has
its own correlation length. rho and length of a class are the likeliest; drift comes from components
in which the model sees nothing. Of large grids, the positions nearest to the center tell all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from smrestore.fitting.basis import MISFITS, Basis, product
from smrestore.fitting.drift import SharedDrift
from smrestore.fitting.growth import Growth, learn_growth

LENGTHS = (0.7, 1.2, 2.0, 3.5)
"""Correlation lengths of the misfit in voxels among which the likeliest is taken."""
DRIFTS = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2])
"""Drift d in units of the noise, likewise."""
CLASS_WIDTH = 0.4
"""Standard deviation of ln rho in a class."""
UNSEEN = 0.01
"""Energy of the model over that of the noise below which a component shows drift alone."""
CLEAR = 1000.0
"""Energy of the model over that of the noise of components that tell the length of their class, and
how misfit depends on size. In others, rough misfit and noise beyond that of background frames look
alike."""
NONE = -1
"""Number of the class of what the model does not see."""


@dataclass(frozen=True)
class ClassMisfit:
    """How far the model is believed in the components of a class.

    Attributes
    ----------
    rho
        Relative misfit.
    length
        Its correlation length in voxels.
    drift
        d with this length, in units of the noise.
    score, clear
        Log-likelihood of all components of the class and of the clear ones, up to a constant.
    """

    rho: float
    length: float
    drift: float
    score: float = 0.0
    clear: float = 0.0


@dataclass(frozen=True)
class Misfit:
    """How far the model is believed.

    Attributes
    ----------
    of_class
        By the number of a class; :data:`NONE` for those in which the model sees nothing.
    growth
        How rho depends on the size of components, None if none of them tells it.
    """

    of_class: dict[int, ClassMisfit]
    growth: Growth | None = None

    def of_classes(self, classes: np.ndarray) -> np.ndarray:
        """Return the relative misfit of components by the number of their class, (S,)."""
        known = self.usual(classes)
        seen = np.isin(classes, list(self.of_class))
        # The smallest stands for none that noise would show.
        return np.where(seen & (known > MISFITS[0]), known, 0.0)

    def usual(self, classes: np.ndarray) -> np.ndarray:
        """Return the relative misfit that is likely for components of classes, (S,)."""
        return np.array([self._of(number).rho for number in classes.tolist()])

    def kinds(self, classes: np.ndarray) -> Iterator[tuple[float, float, np.ndarray]]:
        """Yield length, drift, and the indices of the components that have them."""
        found = [self._of(number) for number in classes.tolist()]
        of_each = np.array([(misfit.length, misfit.drift) for misfit in found])
        for length, drift in np.unique(of_each, axis=0).tolist():
            yield length, drift, np.flatnonzero((of_each == (length, drift)).all(axis=1))

    def _of(self, number: int) -> ClassMisfit:
        return self.of_class.get(number, self.of_class[NONE])


def with_class(likelihood: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return the likelihood of misfits (K, len(MISFITS)) with the prior of their class (K,)."""
    return likelihood - 0.5 * ((np.log(MISFITS) - np.log(usual)[:, None]) / CLASS_WIDTH) ** 2


def learn_misfit(
    residual: np.ndarray,
    energy: np.ndarray,
    noises: Sequence[np.ndarray],
    classes: np.ndarray,
    measured: np.ndarray,
    shares: np.ndarray | None,
    weight: float,
    drift: SharedDrift | None = None,
    model: np.ndarray | None = None,
    size: np.ndarray | None = None,
) -> tuple[Misfit, int]:
    """Learn length, drift and misfit by class, and which of several noises is the likeliest.

    Parameters
    ----------
    residual
        Measured minus model, complex (M, K), of components that stand for all.
    energy
        Mean square of the model over the positions, float64 (K,).
    noises
        Variances of the noise among which the likeliest is taken, float64 (K,) each.
    classes
        int64 (K,), consecutive numbers for consecutive mixing orders.
    measured
        Positions in voxels, float64 (M, 3).
    model, size
        Components of the model, complex (M, K), and their root mean square over the largest of
        their channel, float64 (K,); 0 for those that do not tell how the misfit depends on it.
        None if that is not asked for.

    Returns
    -------
    Misfit
        The likeliest.
    int
        The number of its noise.
    """
    some = np.zeros(len(energy), dtype=bool)
    if size is not None:
        some = (energy > CLEAR * np.max(noises, axis=0)) & (size > 0)
    tables: list[list[np.ndarray]] = [[] for _ in noises]
    found: list[list[dict[int, ClassMisfit]]] = [[] for _ in noises]
    for length in LENGTHS:
        basis = Basis.at(measured, measured[:0], length, shares, drift)
        power = basis.power(product(basis.project, residual))
        if some.any():
            taken = basis.power(product(basis.project, model[:, some]))
            taken /= np.sum(taken, axis=0)
        for number, noise in enumerate(noises):
            of_class = _with_basis(basis, length, power, energy, noise, classes, weight)
            found[number].append(of_class)
            if some.any():
                # The factor of a component took one value away.
                whole = power[:, some] + taken * noise[some]
                actual = basis.noise(whole, noise[some], weight)
                table, by_noise = _likelihoods(
                    basis, whole, energy[some], actual, noise[some], weight, of_class[NONE].drift
                )
                tables[number].append(table + by_noise[:, None])
    chosen = [_by_length(of_lengths) for of_lengths in found]
    number = int(np.argmax([sum(m.score for m in of_class.values()) for of_class in chosen]))
    growth = None
    if some.any():
        # Misfit of a high order is rougher than that of a low one: each has its own length.
        likelihood = np.logaddexp.reduce(tables[number])
        growth = learn_growth(likelihood, MISFITS, size[some])
    return Misfit(chosen[number], growth), number


def _by_length(of_lengths: Sequence[dict[int, ClassMisfit]]) -> dict[int, ClassMisfit]:
    """Return each class with its likeliest length, which clear components tell.

    Without such components, it is that of the class before it, which has lower mixing orders, or
    of all classes together.
    """
    together = max(of_lengths, key=lambda of_class: sum(m.score for m in of_class.values()))
    result: dict[int, ClassMisfit] = {}
    for number, usual in together.items():
        by_length = {of_class[number].length: of_class[number] for of_class in of_lengths}
        if any(m.clear for m in by_length.values()):
            result[number] = max(by_length.values(), key=lambda m: m.clear)
        else:
            result[number] = by_length[result.get(number - 1, usual).length]
    return result


def _likelihoods(
    basis: Basis,
    power: np.ndarray,
    energy: np.ndarray,
    noise: np.ndarray,
    given: np.ndarray,
    weight: float,
    drift: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-likelihood of each misfit by residuals, and that of their noise.

    Arrays (K, len(MISFITS)) and (K,). ``noise`` is what they have, ``given`` that of background
    frames, float64 (K,) each.
    """
    ratio = noise / given
    # Background frames count as well: misfit must not pass for noise that they do not have.
    by_noise = -weight * (np.log(ratio) + 1 / ratio)
    return basis.nodes.likelihoods(power, energy, noise, drift), by_noise


def _with_basis(
    basis: Basis,
    length: float,
    power: np.ndarray,
    energy: np.ndarray,
    given: np.ndarray,
    classes: np.ndarray,
    weight: float,
) -> dict[int, ClassMisfit]:
    """Return the misfit of classes and of :data:`NONE`, with a length.

    ``power`` (M, K) are squared residuals, ``given`` (K,) is the noise of background frames.
    """
    noise = basis.noise(power, given, weight)
    unseen = energy < UNSEEN * given
    drift = 0.0
    if unseen.any():
        scaled = power[:, unseen] @ (1 / noise[unseen])
        spreads = [DRIFTS[i] ** 2 * basis.strength + 1 for i in range(len(DRIFTS))]
        count = np.count_nonzero(unseen) * basis.kept
        drift = float(
            DRIFTS[np.argmax([-np.sum(count * np.log(s) + scaled / s) for s in spreads])]
        )  # fmt: skip
    total, by_noise = _likelihoods(basis, power, energy, noise, given, weight, drift)
    clear = energy > CLEAR * given
    result = {}
    for number in np.unique(classes[~unseen]).tolist():
        own = ~unseen & (classes == number)
        rho = float(MISFITS[np.argmax(total[own].sum(axis=0))])
        score = with_class(total[own], np.full(np.count_nonzero(own), rho)).max(axis=1)
        score += by_noise[own]
        result[number] = ClassMisfit(
            rho, length, drift, float(score.sum()), float(score[clear[own]].sum())
        )
    most = max((m.rho for m in result.values()), default=0.1)
    result[NONE] = ClassMisfit(most, length, drift, float(np.sum(by_noise[unseen])))
    return result

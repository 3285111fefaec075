"""How wrong a fitted model is in components of any size, learned from all of them together.

In most components noise hides what is wrong with the model, but not in all: the relative misfit
grows as components get weaker, since what makes them weak is that contributions cancel. On the
virtual scans it follows

    rho(r) = rho_1 r^-p

within 2 to 4 dB (standard deviation), with the root mean square r of a component over the largest
of its receive channel, at least :data:`SMALLEST`, and p between 0.2 and 0.45. Each component has a
likelihood of its misfit. Their product over all components, with a prior of p, says what rho_1 and
p are, and so how wrong the model is where noise hides it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

POWER, POWER_DEVIATION = 0.35, 0.1
"""Mean and standard deviation of p before a scan is seen."""
SCATTER = 0.4
"""Standard deviation of ln rho around the law."""
STRONGEST = np.geomspace(3e-5, 1.0, 61)
"""rho_1 among which the law is looked for. No fit to a virtual scan has less."""
POWERS = np.linspace(0.1, 0.5, 17)
SMALLEST = {2: 3e-4, 3: 2e-3}
"""Size below which the misfit does not grow any more, by the number of driven axes: in planes, the
weakest components that are seen have higher mixing orders than in volumes."""
STRONG = 0.03
"""Size down to which the misfit of the model says how wrong a measurement may be: what warms up or
is off is so by one share in all components."""


@dataclass(frozen=True)
class Growth:
    """Relative misfit of a model by the size of components.

    Attributes
    ----------
    strongest
        Misfit rho_1 of the strongest component of a channel.
    power
        p.
    """

    strongest: float
    power: float

    def misfit(self, size: np.ndarray) -> np.ndarray:
        """Return the misfit, float64 as ``size`` (S,); 0 for size 0."""
        grown = self.strongest * np.where(size > 0, size, 1.0) ** -self.power
        return np.where(size > 0, np.minimum(grown, 1.0), 0.0)

    def of_measurement(self, size: np.ndarray) -> np.ndarray:
        """Return the share of components that a measurement may be wrong by, as :meth:`misfit`."""
        return self.misfit(np.where(size > 0, np.maximum(size, STRONG), 0))


def learn_growth(likelihood: np.ndarray, misfits: np.ndarray, size: np.ndarray) -> Growth:
    """Return the law that the components follow: its mean logarithm over what is likely.

    Parameters
    ----------
    likelihood
        Log-likelihood of each misfit, float64 (S, R).
    misfits
        float64 (R,), in equal steps of the logarithm.
    size
        Root mean square of the components over the largest of their channel, float64 (S,), above 0.
    """
    place = np.log(misfits)
    step = place[1] - place[0]
    around = -0.5 * ((place[:, None] - place) / SCATTER) ** 2
    around -= logsumexp(around, axis=1, keepdims=True)
    smooth = np.stack([logsumexp(likelihood + row, axis=1) for row in around], axis=1)
    score = np.empty((len(POWERS), len(STRONGEST)))
    log_size = np.log(size)
    rows, last = np.arange(len(size)), len(misfits) - 1
    for number, power in enumerate(POWERS):
        for other, strongest in enumerate(STRONGEST):
            where = np.clip((np.log(strongest) - power * log_size - place[0]) / step, 0, last)
            low = np.minimum(where.astype(int), last - 1)
            share = where - low
            found = (1 - share) * smooth[rows, low] + share * smooth[rows, low + 1]
            score[number, other] = found.sum()
    score -= 0.5 * ((POWERS[:, None] - POWER) / POWER_DEVIATION) ** 2
    probability = np.exp(score - logsumexp(score))
    return Growth(
        float(np.exp(np.sum(probability * np.log(STRONGEST)))),
        float(np.sum(probability * POWERS[:, None])),
    )

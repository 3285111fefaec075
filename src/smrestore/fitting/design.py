"""Which positions tell most about a scan, and what quality is to be expected of them.

With the images x_ps of a fitted model at position p, their derivatives D_ps by the unknowns, and
the variance sigma_s^2 of the complex noise, a set Q of positions has the information

    F = sum_s 2 / sigma_s^2 (sum_Q Re(D_ps D_ps^H) - Re(b_s b_s^H) / e_s) + prior,
    b_s = sum_Q conj(x_ps) D_ps,  e_s = sum_Q |x_ps|^2,

where the second term is what the factors of the components take (variable projection). A component
is then predicted with the error (D_ps - x_ps b_s^* / e_s) dtheta + x_ps epsilon_s. Positions are
chosen one after the other such that the mean error over the grid falls most (a greedy I-optimal
design; Atkinson, Donev and Tobias 2007, Optimum Experimental Designs, with SAS, chapter 10).
"""

from dataclasses import dataclass

import numpy as np

from smrestore.fitting.held_out import SNR_NAMES
from smrestore.fitting.model import FittedModel
from smrestore.fitting.scan import CalibrationData, choose_components, spread_positions
from smrestore.fitting.solve import FLOOR, factors
from smrestore.physics.spectrum import Components

COMPONENTS = 60
"""Components that stand for all."""


@dataclass(frozen=True, eq=False)
class Design:
    """What the positions of a grid would tell about a model.

    Attributes
    ----------
    images
        Of the components that stand for all, in the unit of the scan, complex128 (P, S).
    slopes
        Their derivatives by the unknowns, complex128 (U, P, S).
    noise
        Standard deviation of their noise for one average, float64 (S,).
    prior
        Standard deviations of the unknowns, float64 (U,).
    misfit
        Relative error that no position removes: the held-out one of the clearest components.
    """

    images: np.ndarray
    slopes: np.ndarray
    noise: np.ndarray
    prior: np.ndarray
    misfit: float

    @classmethod
    def of(cls, data: CalibrationData, model: FittedModel, averages: int) -> "Design":
        """Return the design of a scan that was fitted, measured with so many averages."""
        chosen = choose_components(data, COMPONENTS)
        components = Components(data.components.channel[chosen], data.components.frequency[chosen])
        positions = data.grid.positions().reshape(-1, 3)
        point = model.forward.of_point()
        images, slopes = point.images(
            model.family, model.theta, positions, components, derivatives=True
        )
        measured = data.images[:, chosen]
        factor, _ = factors(images[data.voxels], measured, np.ones(len(measured)))
        return cls(
            factor * images,
            factor * slopes,
            data.noise[chosen] * np.sqrt(averages),
            np.array([unknown.deviation for unknown in model.family.unknowns]),
            _misfit(model),
        )

    def expected_psnr(self, positions: np.ndarray, averages: float) -> float:
        """Return the mean PSNR in dB that the model is expected to reach over the grid.

        Parameters
        ----------
        positions
            Indices of measured positions, int64 (n,).
        averages
            Of each.
        """
        granted, noise = self._granted(averages), self.noise / np.sqrt(averages)
        images, slopes = self.images[positions], self.slopes[:, positions]
        energy = np.maximum(np.sum(np.abs(images) ** 2, axis=0), np.finfo(float).tiny)
        product = np.einsum("ps,ups->us", images.conj(), slopes)
        information, scatter = self._prior(), self._prior()
        for s in range(len(granted)):
            own = slopes[:, :, s]
            found = (own @ own.conj().T).real
            found -= np.outer(product[:, s], product[:, s].conj()).real / energy[s]
            information += 2 / granted[s] ** 2 * found
            scatter += 2 * noise[s] ** 2 / granted[s] ** 4 * found
        # Weights of the fit are not those of the noise alone.
        inverse = np.linalg.inv(information)
        covariance = inverse @ scatter @ inverse
        moved = self.slopes - self.images * (product / energy)[:, None]
        spread = np.einsum("ups,uv,vps->ps", moved.conj(), covariance, moved, optimize=True).real
        spread += np.abs(self.images) ** 2 * (noise**2 / energy + self.misfit**2)
        peak = np.abs(self.images).max(axis=0)
        return float(np.mean(20 * np.log10(peak) - 10 * np.log10(spread.mean(axis=0))))

    def choose(self, count: int, averages: float) -> np.ndarray:
        """Return positions that tell most, in the order of their choice, int64 (n,).

        Each is the one after which the mean error over the grid is least; priors tell what the
        first ones do not.
        """
        granted = self._granted(averages)
        energy = np.maximum(np.sum(np.abs(self.images) ** 2, axis=0), np.finfo(float).tiny)
        product = np.einsum("ps,ups->us", self.images.conj(), self.slopes)
        # Without what the factors take, as if they were known from the whole grid.
        slopes = self.slopes - self.images * (product / energy)[:, None]
        weighted = slopes / granted * np.sqrt(2)
        peak = np.abs(self.images).max(axis=0)
        relative = (slopes / peak).reshape(len(slopes), -1)
        wanted = (relative @ relative.conj().T).real
        of_position = np.einsum("ups,vps->puv", weighted, weighted.conj()).real
        information = self._prior()
        chosen: list[int] = []
        left = np.ones(len(of_position), dtype=bool)
        while len(chosen) < count:
            candidates = np.flatnonzero(left)
            covariance = np.linalg.inv(information + of_position[candidates])
            remaining = np.einsum("puv,uv->p", covariance, wanted)
            best = int(candidates[np.argmin(remaining)])
            chosen.append(best)
            left[best] = False
            information = information + of_position[best]
        return np.array(chosen)

    def _granted(self, averages: float) -> np.ndarray:
        rms = np.sqrt(np.mean(np.abs(self.images) ** 2, axis=0))
        return np.hypot(self.noise / np.sqrt(averages), FLOOR * rms)

    def _prior(self) -> np.ndarray:
        return np.diag(1 / self.prior**2)


def _misfit(model: FittedModel) -> float:
    known = [model.held_out[name] for name in SNR_NAMES if name in model.held_out]
    return known[-1] if known else model.held_out["all"]


def chosen_positions(
    choice: str, data: CalibrationData, count: int, *, design: Design | None, rng, averages: float
) -> np.ndarray:
    """Return positions by one of :data:`smrestore.support.choices.Choice`, int64, ascending."""
    if choice == "random":
        return np.sort(rng.permutation(data.grid.n_positions)[:count])
    if choice == "information":
        return np.sort(design.choose(count, averages))
    return spread_positions(data.grid.positions().reshape(-1, 3), count)

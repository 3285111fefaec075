"""A network that also sees the fitted model: is it better than model and measurement alone?

    snakemake --cores all --configfile config/hard.yaml
    python benchmarks/guided.py --work guided          # some minutes of a core

Calibrations are drawn in 2D: sequence, grid and particles of table 1 of the study, and what real
scanners add (core sizes in one or two modes, relaxation, imperfect fields and coils, jitter of the
robot). A family that rarely holds the truth is fitted to each of them in a few steps, and its
unknowns are moved away from the fit besides, each time with noise of another strength. ``--right``
adds calibrations with models that are nearly right.

A small U-Net learns to correct the posterior mean of model and measurement
(``smrestore.fitting.posterior``), in units of its expected error. It sees this mean, the model,
what was measured, and the levels of noise, expected error and misfit. It begins with no correction.

Tables have mean PSNR in dB of components whose true peak exceeds half of the noise: of drawn
calibrations that were not trained with, by peak over noise and by quality of the model, then of the
virtual scans of a run. docs/fit.md tells what came out.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from scipy.ndimage import map_coordinates
from tqdm import trange

from smrestore.fitting.apply import predict
from smrestore.fitting.family import Family
from smrestore.fitting.model import FittedModel, read_fits
from smrestore.fitting.scan import (
    TOLERANCE,
    CalibrationData,
    choose_components,
    read_calibration,
    spread_positions,
)
from smrestore.fitting.solve import Measured, fit
from smrestore.methods import load_method
from smrestore.methods.phase import phase_factor
from smrestore.metrics import confidence_interval, interval_text
from smrestore.networks.cards import DENOISER, shipped_weights
from smrestore.networks.layers import convolution
from smrestore.networks.options import UNetOptions
from smrestore.networks.unet import UNet
from smrestore.physics.parameters import SizeLimits, draw_case, simulation_of
from smrestore.physics.spectrum import Components
from smrestore.scanner.fields import FieldSettings
from smrestore.scanner.recording import stored_frequencies
from smrestore.scanner.signal import (
    DeltaSample,
    ReceiveChannel,
    SecondMode,
    SignalModel,
    Tracer,
)
from smrestore.support.allocation import keep_freed_memory
from smrestore.support.errors import InputError
from smrestore.support.seeds import generator
from smrestore.tasks.degradation import Degraded
from smrestore.training.objective import moving_average

ROOT = Path(__file__).parents[1]
SEED = 2026
SEEN = 0.5
"""True peak over noise from which on a component counts."""
SNR_CLASSES = (SEEN, 3, 10, 30, 100, np.inf)
PSNR_CLASSES = (-np.inf, 20, 25, 30, 35, 40, 50, np.inf)
LARGEST_ORDER = 20
"""Mixing order up to which components are drawn."""
FREQUENCIES = 160
"""Frequencies of a drawn scan."""
DEGREES = ((3, 2, 0), (3, 2, 0), (3, 2, 0), (2, 1, 0))
"""Degrees of selection field, drive fields and receive coils of the families that are fitted."""
COMPONENTS, POSITIONS, STEPS = 40, 40, 7
"""Of a fit to a drawn scan."""
CHANNELS = tuple(
    ReceiveChannel(1e-6, resonance, quality, delay)
    for resonance, quality, delay in ((9e5, 1.5, 2e-7), (7.5e5, 2.0, 3e-7), (6e5, 1.2, 1e-7))
)
PER_CLASS = 20
"""Components of a signal-to-noise class that are taken of each model of a scan."""
WRONG = 3
"""Models moved away from the fit, besides the fit itself."""
FLOOR = 3e-4
"""Smallest error that counts in a training, in units of the largest true magnitude: 70 dB."""
BATCH = 16
TRIALS = 5
"""Draws of a scan, of which the first that can be fitted is taken."""
FULL = {"within_noise": 3.0, "ensemble": ["phases"]}
METHODS = ("measured", "U-Net", "model", "model and measurement", "guided")
BASELINE = "model and measurement"


@dataclass(frozen=True, eq=False)
class Examples:
    """Components of one grid, in a unit of their own each.

    Attributes
    ----------
    truth, measured, model, combined
        complex64 (n, Nx, Ny); ``combined`` is the posterior mean of model and measurement.
    noise, expected
        Standard deviation of the complex noise, and of the error of ``combined``, float32 (n,).
    """

    truth: np.ndarray
    measured: np.ndarray
    model: np.ndarray
    combined: np.ndarray
    noise: np.ndarray
    expected: np.ndarray

    @property
    def peak(self) -> np.ndarray:
        """Largest true magnitude, (n,)."""
        return np.abs(self.truth).max(axis=(1, 2))

    @property
    def snr(self) -> np.ndarray:
        """Peak over noise, (n,)."""
        return self.peak / self.noise

    def part(self, chosen: np.ndarray) -> "Examples":
        """Return chosen components."""
        return Examples(*(getattr(self, f.name)[chosen] for f in fields(self)))


@dataclass(frozen=True, eq=False)
class Remembered(FittedModel):
    """A model that simulates the positions and components of its scan once."""

    known: list[np.ndarray] = field(default_factory=list)

    def images(self, positions: np.ndarray, components: Components) -> np.ndarray:
        """Return images up to a factor, complex64 (P, S)."""
        if not self.known:
            self.known.append(super().images(positions, components))
        return self.known[0].copy()


def draw_signal(rng: np.random.Generator, hard: bool) -> SignalModel:
    """Draw a calibration: sequence, grid and median particle of table 1, and a real scanner.

    If it is not ``hard``, the families that are fitted hold it, but for the core sizes.
    """
    case = draw_case(rng, "guided", dimension=2, limits=SizeLimits((8, 18)))
    simulation = simulation_of(case)
    particle, sequence, grid = simulation.particle, simulation.sequence, simulation.grid
    second = None
    if hard and rng.random() < 0.6:
        second = SecondMode(
            share=rng.uniform(0.1, 0.5),
            median_core_diameter=particle.core_diameter * rng.uniform(1.1, 1.5),
            diameter_spread=rng.uniform(0.0, 0.15),
            anisotropy_constant=10 ** rng.uniform(3, 4),
        )
    tracer = Tracer(
        median_core_diameter=particle.core_diameter,
        diameter_spread=rng.uniform(0.0, 0.2),
        anisotropy_constant=particle.anisotropy_constant,
        spatial_modulation=particle.spatial_modulation,
        relaxation_time=rng.uniform(0.0, 3e-6),
        core_sizes=4,
        second_mode=second,
    )
    imperfect = FieldSettings(
        selection_deviation=rng.uniform(0, 0.04),
        drive_deviation=rng.uniform(0, 0.04),
        radius=float(np.linalg.norm(grid.positions().reshape(-1, 3), axis=1).max()),
        higher_deviation=hard * rng.uniform(0, 0.02),
        receive_deviation=hard * rng.uniform(0, 0.05),
    )
    bins = rng.choice(stored_frequencies(sequence, LARGEST_ORDER), FREQUENCIES, replace=False)
    return SignalModel(
        tracer, CHANNELS, DeltaSample((0.0, 0.0, 0.0)), sequence, grid, imperfect.draw(rng),
        np.sort(bins),
    )  # fmt: skip


def start_of(signal: SignalModel, family: Family) -> np.ndarray:
    """Return a family's unknowns with the mean and the spread of the drawn tracer, ideal fields."""
    particles, shares = zip(*signal.tracer.fractions(), strict=True)
    sizes = np.log([1e9 * p.core_diameter for p in particles])
    mean = np.average(sizes, weights=shares)
    variance = np.average((sizes - mean) ** 2, weights=shares)
    anisotropy = np.average(np.log([p.anisotropy_constant for p in particles]), weights=shares)
    # Moments weigh diameters by their third power.
    found = {
        "core_diameter": mean - 3 * variance,
        "spread": np.sqrt(variance),
        "anisotropy": anisotropy,
        "modulation": signal.tracer.spatial_modulation,
        "relaxation": 1e6 * signal.tracer.relaxation_time,
    }
    theta = np.array([u.start for u in family.unknowns])
    theta[: family.n_tracer] = [found[name] for name in family.tracer_names]
    return bounded(theta, family)


def bounded(theta: np.ndarray, family: Family) -> np.ndarray:
    """Return unknowns within their bounds."""
    return np.clip(
        theta, *([getattr(u, b) for u in family.unknowns] for b in ("lowest", "highest"))
    )


def fitted(data: CalibrationData, signal: SignalModel, rng: np.random.Generator) -> FittedModel:
    """Fit a family that rarely holds the truth, in a few steps and to a part of the scan."""
    degrees = DEGREES[rng.integers(len(DEGREES))]
    family = Family("fluid", *degrees, data.sequence.driven, signal.fields.radius)
    chosen = choose_components(data, COMPONENTS)
    part = Measured(data.positions, data.components, data.images, data.noise).part(
        spread_positions(data.positions, POSITIONS), chosen
    )
    forward = replace(data.forward(), tolerance=TOLERANCE)
    found = fit(forward, family, part, start_of(signal, family), steps=STEPS)
    return FittedModel(data.forward(), family, found.theta, {"all": 0.0})


def true_model(data: CalibrationData, signal: SignalModel) -> FittedModel:
    """Return the model of a calibration that is not hard."""
    family = Family("fluid", *DEGREES[0], data.sequence.driven, signal.fields.radius)
    theta = start_of(signal, family)
    theta[0] = np.log(1e9 * signal.tracer.median_core_diameter)
    theta[1] = signal.tracer.diameter_spread
    # Neither offsets nor drive fields that are wrong in the center.
    first = family.n_tracer + 3
    theta[first : first + len(signal.fields.selection)] = signal.fields.selection
    for number, axis in enumerate(family.driven_axes):
        first = family.n_tracer + family.n_selection + number * family.n_drive + 1
        theta[first : first + family.n_drive - 1] = signal.fields.drive[axis]
    return FittedModel(data.forward(), family, theta, {"all": 0.0})


def jittered(images: np.ndarray, jitter: np.ndarray) -> np.ndarray:
    """Return images (n, Nx, Ny) at voxels that are off by ``jitter`` (2, Nx, Ny) voxels."""
    place = np.indices(images.shape[1:]) + jitter
    return np.stack([map_coordinates(i, place, order=3, mode="nearest") for i in images])


def draw_scan(rng: np.random.Generator, hard: bool) -> Iterator[Examples]:
    """Draw a scan, and yield components with the fit and with models that are wrong on purpose.

    If it is not ``hard``, all models are nearly right.
    """
    signal = draw_signal(rng, hard)
    grid, bins, n_channels = signal.grid, signal.bins, len(CHANNELS)
    spectra = signal.of_samples(grid.positions().reshape(-1, 3))
    components = Components(np.repeat(np.arange(n_channels), len(bins)), np.tile(bins, n_channels))
    truth = spectra.reshape(grid.n_positions, -1).T.reshape(-1, *grid.size[:2])
    seen = truth
    if hard and rng.random() < 0.5:
        seen = jittered(truth, rng.uniform(0, 0.05) * rng.normal(size=(2, *grid.size[:2])))

    def measure(largest_snr: float) -> CalibrationData:
        level = np.abs(truth).max() / largest_snr
        noise = level * rng.normal(size=(2, *truth.shape)) / np.sqrt(2)
        images = (seen + noise[0] + 1j * noise[1]).reshape(len(truth), -1).T
        return CalibrationData(
            signal.sequence, grid, np.arange(grid.n_positions), components,
            images.astype(np.complex64), np.full(len(truth), level), (0.0, 0.0, 0.0),
        )  # fmt: skip

    data = measure(10 ** rng.uniform(2, 4))
    model = fitted(data, signal, rng) if hard else true_model(data, signal)
    strength = (-2.5, -0.7) if hard else (-3.5, -1.5)
    deviation = np.array([u.deviation for u in model.family.unknowns])
    for number in range(1 + WRONG):
        theta = model.theta
        if number or not hard:
            data = measure(10 ** rng.uniform(2, 4))
            theta = theta + 10 ** rng.uniform(*strength) * deviation * rng.normal(size=len(theta))
            theta = bounded(theta, model.family)
        # Positions that the fit leaves out are of one scan, but their values are right here.
        wrong = Remembered(model.forward, model.family, theta, model.held_out)
        whole = examples_of(data, wrong, truth)
        groups = np.digitize(whole.snr, SNR_CLASSES)
        chosen = [
            rng.permutation(np.flatnonzero(groups == group))[:PER_CLASS]
            for group in range(1, len(SNR_CLASSES))
        ]
        yield whole.part(np.concatenate(chosen))


def usable_scan(hard: bool, *seed: object) -> list[Examples]:
    """Return the components of the first drawn scan that can be fitted."""
    for trial in range(TRIALS):
        try:
            return list(draw_scan(generator(*seed, trial), hard))
        except InputError as error:
            print(f"drawn again: {error}", flush=True)
    raise SystemExit(f"none of {TRIALS} drawn scans can be fitted")


def examples_of(data: CalibrationData, model: Remembered, truth: np.ndarray) -> Examples:
    """Return the components of a scan that are seen; ``truth`` is (S, Nx, Ny)."""
    size = data.grid.size[:2]
    alone, both = (
        predict(
            data, model, data.grid.positions().reshape(-1, 3), with_measurement=with_measurement
        )
        for with_measurement in (False, True)
    )
    peak = np.abs(truth).max(axis=(1, 2))
    finite = np.isfinite(both.images).all(axis=0) & (np.abs(both.images).max(axis=0) > 0)
    seen = np.flatnonzero((peak > SEEN * data.noise) & (data.components.frequency > 0) & finite)

    def unit(images: np.ndarray) -> np.ndarray:
        """Return the seen ones of images (P, S) in units of their peak, (n, Nx, Ny)."""
        return (images[:, seen] / peak[seen]).T.reshape(-1, *size).astype(np.complex64)

    return Examples(
        (truth[seen] / peak[seen, None, None]).astype(np.complex64),
        unit(data.images), unit(alone.images), unit(both.images),
        (data.noise[seen] / peak[seen]).astype(np.float32),
        (both.deviation[seen] / peak[seen]).astype(np.float32),
    )  # fmt: skip


def kept(path: Path, make: Callable[[], Examples]) -> Examples:
    """Return components from a file, which is made if there is none."""
    if not path.exists():
        made = make()
        np.savez(path, **{f.name: getattr(made, f.name) for f in fields(made)})
    with np.load(path) as file:
        return Examples(**file)


def joined(parts: Sequence[Examples]) -> Examples:
    """Return the components of several, all on one grid."""
    return Examples(
        *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Examples))
    )


def drawn(folder: Path, number: int, hard: bool = True) -> Examples:
    """Return the components of a drawn scan."""
    path = folder / f"{'scan' if hard else 'right'}-{number:03d}.npz"
    purpose = "train" if hard else "right"
    return kept(path, lambda: joined(usable_scan(hard, SEED, "guided", purpose, number)))


class Guided(UNet):
    """The U-Net of the package with more channels; it corrects in units of the expected error.

    Channels that change their sign with the component: model and measurement combined, model, what
    was measured beyond the first, and what it has beyond the second, each of unit size. Planes:
    logarithms of noise, expected error and the latter over the size of the component, and the grid.
    """

    SIGNED, PLANES = 8, 4

    def __init__(self, channels: Sequence[int], blocks: int) -> None:
        super().__init__(
            2, UNetOptions(channels=channels, blocks=blocks, bias=True, zero_last=True)
        )
        self.first = convolution(2, self.SIGNED + self.PLANES, channels[0])

    def forward(self, signed: torch.Tensor, planes: torch.Tensor, mask: torch.Tensor):
        """Return corrections (B, 2, *grid); ``planes`` are (B, 3)."""
        levels = planes[..., None, None] * mask
        return self._correction(torch.cat([signed, levels, mask], dim=1), mask)


def root_mean_square(images: np.ndarray) -> np.ndarray:
    """Return the root mean square of images (n, Nx, Ny), at least a tiny number, (n, 1, 1)."""
    return np.sqrt(np.mean(np.abs(images) ** 2, axis=(1, 2), keepdims=True)) + 1e-12


@dataclass(frozen=True, eq=False)
class Tensors:
    """What the network sees of components, and what it should answer, see :class:`Guided`."""

    signed: torch.Tensor
    planes: torch.Tensor
    mask: torch.Tensor
    wanted: torch.Tensor
    floor: torch.Tensor

    def __len__(self) -> int:
        return len(self.planes)


def turns(examples: Examples) -> np.ndarray:
    """Return the phase of each component, complex (n, 1, 1)."""
    return np.array([phase_factor(image) for image in examples.combined])[:, None, None]


def tensors(examples: Examples) -> Tensors:
    """Return components as tensors, each in its own phase."""
    turn = turns(examples).conj()
    noise, expected = (
        np.maximum(v, 1e-9)[:, None, None] for v in (examples.noise, examples.expected)
    )
    size = root_mean_square(examples.combined)
    beyond = examples.combined - examples.model
    shift = root_mean_square(beyond)
    images = (
        examples.combined / size,
        examples.model / size,
        (examples.measured - examples.combined) / noise,
        beyond / shift,
    )
    signed = np.concatenate([_channels(turn * image) for image in images], axis=1)
    planes = [np.log10(np.clip(v / size, 1e-5, 10))[:, 0, 0] for v in (noise, expected, shift)]
    wanted = _channels(turn * (examples.truth - examples.combined) / expected)
    arrays = (
        signed,
        np.stack(planes, axis=1),
        np.ones_like(signed[:, :1]),
        wanted,
        FLOOR / expected[:, 0, 0],
    )
    return Tensors(*(torch.from_numpy(a.astype(np.float32)) for a in arrays))


def _channels(images: np.ndarray) -> np.ndarray:
    return np.stack([images.real, images.imag], axis=1)


def grouped(examples: Sequence[Examples]) -> list[Tensors]:
    """Return tensors of components, those of like grids together, padded to squares."""
    groups: dict[int, list[Tensors]] = {}
    for some in examples:
        side = -(-max(some.truth.shape[1:]) // 4) * 4
        groups.setdefault(side, []).append(tensors(some))

    def padded(values: torch.Tensor, side: int) -> torch.Tensor:
        if values.ndim < 4:
            return values
        missing = [side - n for n in values.shape[2:]]
        return torch.nn.functional.pad(values, (0, missing[1], 0, missing[0]))

    return [
        Tensors(
            *(
                torch.cat([padded(getattr(part, f.name), side) for part in parts])
                for f in fields(Tensors)
            )
        )
        for side, parts in groups.items()
    ]


def train(groups: Sequence[Tensors], steps: int, channels: Sequence[int], blocks: int) -> Guided:
    """Train on the decimal logarithm of the error, as ``log-error`` does."""
    rng = generator(SEED, "guided", "training")
    torch.manual_seed(SEED)
    network = Guided(channels, blocks)
    average = moving_average(network, 0.999)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    share = np.array([len(group) for group in groups]) / sum(map(len, groups))
    recent = 0.0
    for step in (bar := trange(steps, desc="training", unit="step")):
        group = groups[rng.choice(len(groups), p=share)]
        some = torch.from_numpy(rng.choice(len(group), BATCH, replace=False))
        sign = torch.from_numpy(rng.choice([-1.0, 1.0], (BATCH, 1, 1, 1)).astype(np.float32))
        axes = [axis for axis in (2, 3) if rng.random() < 0.5]
        signed, mask, wanted = (
            v[some].flip(axes) for v in (group.signed, group.mask, group.wanted)
        )
        found = network(sign * signed, group.planes[some], mask)
        squared = ((found - sign * wanted) ** 2 * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))
        loss = 0.5 * torch.log10(squared + group.floor[some] ** 2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        average.update_parameters(network)
        recent += 0.01 * (loss.item() - recent)
        if step % 100 == 0:
            bar.set_postfix_str(f"{recent:.4f}")
    return average.module.eval()


@torch.inference_mode()
def guided(network: Guided, examples: Examples) -> np.ndarray:
    """Return restored components, the mean over both signs and mirrored grids."""
    seen = tensors(examples)
    total = 0
    for axes in ((), (2,), (3,), (2, 3)):
        for sign in (1, -1):
            found = network(sign * seen.signed.flip(axes), seen.planes, seen.mask)
            total = total + sign * found.flip(axes) / 8
    correction = (total[:, 0] + 1j * total[:, 1]).numpy()
    return examples.combined + turns(examples) * examples.expected[:, None, None] * correction


def psnr(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the PSNR in dB of images whose truth has a peak of 1, (n,)."""
    return 10 * np.log10(2 / np.mean(np.abs(images - truth) ** 2, axis=(1, 2)))


def compared(network: Guided, examples: Examples, unet) -> pd.DataFrame:
    """Return the PSNR of each component by each method."""
    peaks = np.abs(examples.measured).max(axis=(1, 2))
    batch = [
        Degraded((image / peak)[..., None].astype(np.complex64), float(noise / peak))
        for image, peak, noise in zip(examples.measured, peaks, examples.noise, strict=True)
    ]
    alone = np.stack([image[..., 0] for image in unet(batch)]) * peaks[:, None, None]
    images = (
        examples.measured, alone, examples.model, examples.combined, guided(network, examples),
    )  # fmt: skip
    values = {name: psnr(i, examples.truth) for name, i in zip(METHODS, images, strict=True)}
    return pd.DataFrame({"SNR": examples.snr, "PSNR of the model": values["model"], **values})


def table(rows: pd.DataFrame, by: str, classes: Sequence[float]) -> str:
    """Return mean PSNR by classes of a column as Markdown, and the gain over the baseline."""
    records = []
    groups = [(f"{a:g} to {b:g}", (rows[by] >= a) & (rows[by] < b)) for a, b in
              itertools.pairwise(classes)]  # fmt: skip
    for name, some in [*groups, ("all", np.ones(len(rows), bool))]:
        own = rows[some]
        if len(own) < 2:
            continue
        gain = confidence_interval((own["guided"] - own[BASELINE]).to_numpy())
        records.append(
            {
                by: name,
                "components": len(own),
                **{method: f"{own[method].mean():.2f}" for method in METHODS},
                "gain": interval_text(gain.mean, gain.ci95, 2),
            }
        )
    return pd.DataFrame(records).to_markdown(index=False, disable_numparse=True)


def virtual_scan(results: Path, name: str, stem: str) -> Examples:
    """Return the components of a scan of a measurement, with its fit of a run."""
    first = f"{name}-calibration"
    folder = results / "fits" / name / ("" if stem == first else stem)
    data = read_calibration(results / "scans" / f"{stem}.mdf")
    (model,) = read_fits(folder / "equilibrium.json", data.forward())
    with h5py.File(results / "scans" / f"{first}.truth.h5") as file:
        place = np.searchsorted(file["frequency"][:], data.components.frequency)
        truth = file["system_matrix"][:][data.components.channel, place, :, :, 0]
    known = Remembered(model.forward, model.family, model.theta, model.held_out, model.left_out)
    return examples_of(data, known, truth)


def main() -> None:
    """Draw, train and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, help="folder of drawn scans, kept between runs")
    parser.add_argument("--scans", type=int, default=20, help="drawn to train")
    parser.add_argument("--right", type=int, default=0, help="drawn with models that are right")
    parser.add_argument("--held-out", type=int, default=4, help="drawn to test")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--measurements", nargs="*", default=["snake", "hard-snake"])
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="of a finished run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        begin = time.process_time()
        training, held_out = [], []
        for hard, scans, tests in (
            (True, arguments.scans, arguments.held_out),
            (False, arguments.right, 0),
        ):
            for number in trange(scans + tests, desc="draw", unit="scan"):
                found = drawn(folder, number, hard)
                (training if number < scans else held_out).append(found)
        drawn_in = time.process_time() - begin
        groups = grouped(training)
        begin = time.process_time()
        network = train(groups, arguments.steps, arguments.channels, arguments.blocks)
        trained_in = time.process_time() - begin
        torch.save(network.state_dict(), folder / "guided.pt")
        unet = load_method(None, shipped_weights(DENOISER), inference=FULL)
        count = sum(map(len, groups))
        weights = sum(p.numel() for p in network.parameters())
        print(
            f"{count} components of {len(training)} scans, drawn in {drawn_in:.0f} s of a core; "
            f"{weights} weights, trained in {trained_in:.0f} s"
        )
        rows = pd.concat([compared(network, e, unet) for e in held_out])
        print("\nDrawn apart, by peak over noise\n\n" + table(rows, "SNR", SNR_CLASSES))
        print(
            "\nDrawn apart, by PSNR of the model\n\n"
            + table(rows, "PSNR of the model", PSNR_CLASSES)
        )
        for name in arguments.measurements:
            found = sorted((arguments.results / "scans").glob(f"{name}-calibration*.mdf"))
            parts = []
            for path in found:
                make = partial(virtual_scan, arguments.results, name, path.stem)
                examples = kept(folder / f"{path.stem}.npz", make)
                parts.append(compared(network, examples, unet))
            print(f"\n{name}\n\n" + table(pd.concat(parts), "SNR", SNR_CLASSES))
            gains = [(p["guided"] - p[BASELINE]).mean() for p in parts]
            print("gain of each realization: " + ", ".join(f"{g:+.2f}" for g in gains), flush=True)


if __name__ == "__main__":
    main()

"""Training and restoration on a GPU, against the same on the CPU.

Skipped where PyTorch sees no GPU.
"""

import signal

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from small_networks import SMALL, small_network
from tiny_training import TRAINING

from smrestore.methods.network import Inference, NetworkMethod
from smrestore.networks import NETWORKS, build_network
from smrestore.networks.cost import bytes_per_sample
from smrestore.support.errors import InputError, InterruptionError
from smrestore.tasks.degradation import Degraded
from smrestore.training import loop, run
from smrestore.training.device import choose_precision, make_fabric

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

CASES = [(name, dimension) for name in SMALL for dimension in NETWORKS[name].dimensions]
EXACT = TRAINING.replace(precision="float32", deterministic=True)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """Keep all bits of single precision, as CPUs do."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def train(world, folder, settings, accelerator="gpu", **changes):
    run.train(
        settings=settings,
        training=[world.training],
        validation=[world.validation],
        noise_pool=world.pool,
        seed=1,
        model=folder / "weights.safetensors",
        history=folder / "history.csv",
        checkpoints=folder / "checkpoints",
        accelerator=accelerator,
        **{"threads": 3, **changes},
    )
    return load_file(folder / "weights.safetensors")


def of_network(name):
    """Return the recipe of a training of any network."""
    settings = EXACT.replace(network={"name": name, **SMALL[name]})
    if name != "smrnet":
        return settings
    return settings.replace(task="upsampling", degradation={"factor": 2, "truth_spacing": 1})


def largest_difference(one, other):
    return max(float((one[n].double() - other[n].double()).abs().max()) for n in one)


@pytest.mark.parametrize("name", SMALL)
def test_training_takes_the_steps_of_a_cpu(world, tmp_path, name):
    settings = of_network(name).replace(gradient_clip=1.0)
    on_gpu = train(world, tmp_path / "gpu", settings)
    on_cpu = train(world, tmp_path / "cpu", settings, "cpu")
    # Adam moves each weight by about the rate, whatever the size of its gradient: one whose
    # gradient is rounding may go either way. Nearly all must go the same way.
    differences = torch.cat([(on_gpu[n] - on_cpu[n]).double().abs().flatten() for n in on_gpu])
    moved = sum(settings.learning_rate * 0.25**i for i in range(3)) * 2
    assert float(differences.max()) <= 4 * moved
    assert float((differences > 0.02 * moved).double().mean()) < 0.2
    histories = [pd.read_csv(tmp_path / name / "history.csv") for name in ("gpu", "cpu")]
    columns = ["training_loss", "validation_loss", "validation_psnr_dB"]
    np.testing.assert_allclose(*(h[columns] for h in histories), rtol=2e-3)


@pytest.mark.parametrize("precision", ["auto", "bf16", "fp16"])
@pytest.mark.parametrize("name", SMALL)
def test_mixed_precision_stays_close(world, tmp_path, name, precision):
    settings = of_network(name)
    exact = train(world, tmp_path / "exact", settings)
    mixed = train(world, tmp_path / "mixed", settings.replace(precision=precision))
    assert {t.dtype for t in mixed.values() if t.is_floating_point()} == {torch.float32}
    assert largest_difference(mixed, exact) > 0
    losses = [
        pd.read_csv(tmp_path / name / "history.csv")["validation_loss"]
        for name in ("mixed", "exact")
    ]
    np.testing.assert_allclose(*losses, rtol=0.05)


def test_automatic_precision_is_that_of_the_hardware():
    assert choose_precision("auto", "gpu") == ("bf16" if torch.cuda.is_bf16_supported() else "fp16")


@pytest.mark.parametrize("precision", ["float32", "fp16"])
def test_stopped_training_ends_with_the_same_weights(world, tmp_path, monkeypatch, precision):
    settings = EXACT.replace(precision=precision, steps=8, interval=4)
    whole = train(world, tmp_path / "whole", settings)
    again = train(world, tmp_path / "again", settings)
    assert largest_difference(whole, again) == 0
    original = loop.Loop.take
    for stop in (1, 5):

        def take(self, batch, stop=stop):
            if self.step == stop:
                signal.raise_signal(signal.SIGTERM)
            return original(self, batch)

        with monkeypatch.context() as patch:
            patch.setattr(loop.Loop, "take", take)
            with pytest.raises(InterruptionError, match=f"SIGTERM after {stop + 1} of 8"):
                train(world, tmp_path / "parts", settings)
    assert largest_difference(whole, train(world, tmp_path / "parts", settings)) == 0


def test_samples_are_the_same_from_any_number_of_processes(world, tmp_path):
    few = train(world, tmp_path / "few", EXACT, threads=2)
    many = train(world, tmp_path / "many", EXACT, threads=4)
    assert largest_difference(few, many) == 0


def test_lack_of_memory_says_what_to_change(world, tmp_path):
    settings = TRAINING.replace(
        network={"name": "dncnn", "features": 256, "depth": 4},
        patch=128,
        batch_size=64,
    )
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2**30 / total))
    try:
        with pytest.raises(
            InputError, match=r"a step of 64 samples .*out of memory.*accumulate to 2"
        ):
            train(world, tmp_path, settings)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def test_more_gpus_than_there_are(world):
    count = torch.cuda.device_count() + 1
    with pytest.raises(InputError, match=f"{count} GPUs are demanded"):
        make_fabric(TRAINING.replace(batch_size=2 * count), "gpu", count)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU")
def test_two_gpus_take_the_steps_of_one(world, tmp_path):
    settings = EXACT.replace(batch_size=4, network={**EXACT.network, "batch_norm": False})
    one = train(world, tmp_path / "one", settings)
    two = train(world, tmp_path / "two", settings, gpus=2)
    assert largest_difference(one, two) < 1e-4


@pytest.mark.parametrize(("name", "dimension"), CASES)
def test_restoration_is_that_of_a_cpu(name, dimension):
    torch.manual_seed(0)
    network = small_network(name, dimension).eval()
    rng = np.random.default_rng(0)
    grids = [(5, 7, 1), (12, 4, 1), (15, 13, 1)] if dimension == 2 else [(5, 7, 6), (9, 4, 8)]
    spacing = network.factor
    batch = [
        Degraded(
            (rng.normal(size=g) + 1j * rng.normal(size=g)).astype(np.complex64),
            0.1,
            spacing=spacing,
            size=tuple(spacing * n if n > 1 else 1 for n in g),
        )
        for g in grids
    ]
    restored = [
        NetworkMethod(network.to(device), dimension, 12, spacing, True, Inference())(batch)
        for device in ("cpu", "cuda")
    ]
    for one, other in zip(*restored, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_grid_beyond_the_memory_says_so():
    class Greedy(torch.nn.Module):
        """Asks for far more memory than there is unless grids are small."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, image, mask, sigma):
            if image.shape[2] > 8:
                torch.empty(2**44, device=image.device)
            # One image at a time, however many are given.
            torch.empty(2**44 if len(image) > 1 else 1, device=image.device)
            return image * self.weight

    method = NetworkMethod(Greedy().cuda(), 2, 8, 1, False)
    image = np.ones((8, 8, 1), np.complex64)
    for restored in method([Degraded(image, 0.1)] * 5):
        np.testing.assert_array_equal(restored, image)
    with pytest.raises(InputError, match=r"does not hold a grid of \(9, 9\).*[Rr]estore in tiles"):
        method([Degraded(np.ones((9, 9, 1), np.complex64), 0.1)])
    tiled = NetworkMethod(Greedy().cuda(), 2, 8, 1, False, Inference(tile=True))
    (restored,) = tiled([Degraded(np.ones((9, 9, 1), np.complex64), 0.1)])
    np.testing.assert_allclose(restored, 1, atol=1e-6)


def test_memory_of_a_sample_is_what_is_predicted():
    network = build_network("dncnn", 2, features=64, depth=8)
    predicted = bytes_per_sample(network, (64, 64))
    network.cuda().train()
    peaks = []
    for count in (8, 8, 16):
        image, mask = torch.randn(count, 2, 64, 64).cuda(), torch.ones(count, 1, 64, 64).cuda()
        torch.cuda.reset_peak_memory_stats()
        network(image, mask, torch.full((count,), 0.1).cuda()).abs().mean().backward()
        peaks.append(torch.cuda.max_memory_allocated())
        network.zero_grad()
    assert (peaks[2] - peaks[1]) / 8 == pytest.approx(predicted, rel=0.3)

"""Training: data, loss, averaged weights, interruption and resumption."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from smrestore.degradation import Degraded
from smrestore.errors import InputError
from smrestore.methods import load_method
from smrestore.models import load_model
from smrestore.noise import NoisePool
from smrestore.store import SystemMatrixStore
from smrestore.training import run
from smrestore.training.data import TrainingPairs, check_data
from smrestore.training.module import masked_l1, masked_psnr, moving_average
from smrestore.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    task="denoising",
    dimension=2,
    network={"name": "dncnn", "features": 4, "depth": 3},
    phase="canonical",
    patch=12,
    sigma=(0.0, 0.3),
    sigma_convention="complex",
    scale=(0.5, 1.0),
    steps=6,
    batch_size=3,
    learning_rate=1e-3,
    interval=2,
    validation_pairs=4,
)


CONSTANT = ("valid", "mask", "missing")


def pairs(world, settings=SETTINGS, **changes):
    arguments = {"seed": 1, "purpose": "training", "start": 0, "count": 20, **changes}
    store, pool = SystemMatrixStore([world.training]), NoisePool(world.pool)
    return TrainingPairs(store, pool, settings, **arguments)


def train(world, folder, settings=SETTINGS, **changes):
    arguments = {"seed": 1, "accelerator": "cpu", "code": "one", **changes}
    run.train(
        settings=settings,
        training=[world.training],
        validation=[world.validation],
        noise_pool=world.pool,
        model=folder / "weights.safetensors",
        history=folder / "history.csv",
        checkpoints=folder / "checkpoints",
        **arguments,
    )
    return load_file(folder / "weights.safetensors")


def test_samples_depend_on_seed_and_index_alone(world):
    for name, tensor in pairs(world)[7].items():
        assert torch.equal(tensor, pairs(world, start=5)[2][name])
        assert name in CONSTANT or not torch.equal(tensor, pairs(world, seed=2)[7][name])


@pytest.mark.parametrize("phase", ["raw", "canonical"])
def test_samples_are_normalized_padded_and_turned(world, phase):
    data = pairs(world, dataclasses.replace(SETTINGS, phase=phase))
    turned = []
    for index in range(20):
        sample = data[index]
        degraded, truth, valid = (sample[k].numpy() for k in ("degraded", "truth", "valid"))
        assert degraded.shape == truth.shape == (2, 12, 12)
        assert np.hypot(*degraded).max() == pytest.approx(1, abs=1e-5)
        assert not (degraded * (1 - valid)).any()
        assert not (truth * (1 - valid)).any()
        assert 16 <= valid.sum() <= 144
        image = degraded[0] + 1j * degraded[1]
        turned.append(abs(np.angle(np.sum(image**2))) < 1e-3)
    assert all(turned) if phase == "canonical" else not all(turned)


def test_loss_and_quality_ignore_padding():
    truth, restored = torch.randn(2, 2, 6, 6), torch.randn(2, 2, 6, 6, requires_grad=True)
    valid = torch.zeros(2, 1, 6, 6)
    valid[0, :, 1:4, 2:5] = 1
    valid[1, :, :, :] = 1
    loss = masked_l1(restored, truth, valid)
    loss.backward()
    loss, restored, gradient = loss.detach(), restored.detach(), restored.grad
    assert not gradient[0, :, 0].any()
    assert gradient[0, :, 1, 2].abs().min() > 0
    changed = restored.clone()
    changed[0, :, 0] += 100
    assert masked_l1(changed, truth, valid) == loss
    assert torch.equal(masked_psnr(changed, truth, valid), masked_psnr(restored, truth, valid))
    inside = (restored - truth)[0, :, 1:4, 2:5].abs().sum() + (restored - truth)[1].abs().sum()
    assert loss == pytest.approx(float(inside) / (2 * (9 + 36)), rel=1e-5)


def test_averaged_weights_warm_up_and_copy_integers():
    average = moving_average(0.99)._kwargs["avg_fn"]
    old, new = torch.zeros(1), torch.ones(1)
    assert average(old, new, torch.tensor(1)).item() == pytest.approx(1 - 2 / 11)
    assert average(old, new, torch.tensor(10_000)).item() == pytest.approx(0.01)
    assert average(torch.tensor(3), torch.tensor(9), torch.tensor(500)).item() == 9


def test_training_writes_weights_card_history_and_clears_checkpoints(world, tmp_path):
    train(world, tmp_path)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["step"].tolist() == [2, 4, 6]
    assert history["learning_rate"].tolist() == [1e-3, 1e-3 / 4, 1e-3 / 16]
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["settings"]["steps"] == 6
    assert card["metrics"]["step"] == 6
    network, _ = load_model(tmp_path / "weights.safetensors")
    assert card["parameters"] == sum(p.numel() for p in network.parameters())
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "card.json",
        "history.csv",
        "weights.safetensors",
    ]


class InterruptionError(Exception):
    """Stands for a kill between two steps."""


def interrupt_after(monkeypatch, steps):
    original = run.Restoration.training_step

    def training_step(self, batch, index):
        if self.trainer.global_step >= steps:
            raise InterruptionError
        return original(self, batch, index)

    monkeypatch.setattr(run.Restoration, "training_step", training_step)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_interrupted_training_ends_with_the_same_weights(world, tmp_path, monkeypatch, batch_norm):
    settings = dataclasses.replace(SETTINGS, network={**SETTINGS.network, "batch_norm": batch_norm})
    whole = train(world, tmp_path / "whole", settings)
    for steps in (3, 5):
        with monkeypatch.context() as patch:
            interrupt_after(patch, steps)
            with pytest.raises(InterruptionError):
                train(world, tmp_path / "parts", settings)
    assert (tmp_path / "parts" / "checkpoints" / "last.ckpt").exists()
    assert not (tmp_path / "parts" / "weights.safetensors").exists()
    resumed = train(world, tmp_path / "parts", settings)
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    columns = ["step", "training_loss", "validation_psnr_dB"]
    one, other = (pd.read_csv(tmp_path / n / "history.csv")[columns] for n in ("whole", "parts"))
    pd.testing.assert_frame_equal(one, other)


def test_checkpoint_of_another_training_is_not_resumed(world, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        with pytest.raises(InterruptionError):
            train(world, tmp_path, code="old")
    assert torch.equal(
        train(world, tmp_path)["last.weight"], train(world, tmp_path / "new")["last.weight"]
    )


def test_data_that_do_not_fit_are_named(world):
    store, pool = SystemMatrixStore([world.training]), NoisePool(world.pool)
    check_data(store, pool, SETTINGS)
    with pytest.raises(InputError, match=r"patch: grid .* exceeds the patch of 4 voxels"):
        check_data(store, pool, dataclasses.replace(SETTINGS, patch=4))
    with pytest.raises(InputError, match="dimension 2, the experiment 3"):
        check_data(store, pool, dataclasses.replace(SETTINGS, dimension=3))


def test_demanded_gpu_that_is_absent_is_an_error(world, tmp_path):
    if torch.cuda.is_available():
        assert run.choose_accelerator("gpu") == "gpu"
        return
    with pytest.raises(InputError, match="a GPU is demanded"):
        train(world, tmp_path, accelerator="gpu")
    assert run.choose_accelerator("auto") == "cpu"


def test_loss_that_is_not_finite_stops_the_training(world, tmp_path):
    settings = dataclasses.replace(SETTINGS, learning_rate=1e30, steps=8)
    with pytest.raises(InputError, match="not finite after"):
        train(world, tmp_path, settings)
    assert not (tmp_path / "weights.safetensors").exists()


def test_model_faults_are_named(world, tmp_path):
    with pytest.raises(InputError, match=r"no such file.*Train the model"):
        load_model(tmp_path / "weights.safetensors")
    train(world, tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    card["settings"]["network"]["features"] = 5
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="weights do not fit"):
        load_model(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("phase", ["raw", "canonical"])
def test_network_method_restores_sizes_and_phase(world, tmp_path, phase):
    settings = dataclasses.replace(
        SETTINGS,
        phase=phase,
        network={**SETTINGS.network, "batch_norm": False, "mask_features": True},
    )
    train(world, tmp_path, settings)
    method = load_method(None, tmp_path / "weights.safetensors")
    rng = np.random.default_rng(0)
    shapes = [(5, 7, 1), (12, 4, 1), (15, 13, 1), (5, 7, 1)]
    batch = [
        Degraded((rng.normal(size=s) + 1j * rng.normal(size=s)).astype(np.complex64), 0.1)
        for s in shapes
    ]
    restored = method(batch)
    assert [image.shape for image in restored] == shapes
    for item, image in zip(batch, restored, strict=True):
        assert image.dtype == np.complex64
        np.testing.assert_allclose(method([item])[0], image, atol=1e-5)
    # The dominant phase is defined up to pi, so a turned image may enter with the other sign.
    turned = [Degraded((item.image * 1j).astype(np.complex64), 0.1) for item in batch]
    negative = [Degraded(-item.image, 0.1) for item in batch]
    for a, b, c in zip(method(turned), restored, method(negative), strict=True):
        equivariant = np.allclose(a, 1j * b, atol=1e-5) or np.allclose(a, -1j * c, atol=1e-5)
        assert equivariant == (phase == "canonical")

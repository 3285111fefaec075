"""Training: data, loss, averaged weights, interruption and resumption."""

import hashlib
import itertools
import json
import signal

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import TRAINING

from smrestore.methods import load_method
from smrestore.methods.network import Inference, NetworkMethod
from smrestore.networks import build_network
from smrestore.networks.cards import shipped_weights
from smrestore.networks.dncnn import DnCNN
from smrestore.networks.weights import load_model
from smrestore.noise import NoisePool
from smrestore.simulation.store import StoredMatrix, SystemMatrixStore, write_store
from smrestore.support.errors import InputError, InterruptionError
from smrestore.support.settings import literals
from smrestore.tasks.degradation import Degraded
from smrestore.training import loop, run
from smrestore.training.checkpoints import Checkpoints
from smrestore.training.data import TrainingPairs, check_data
from smrestore.training.device import choose_accelerator, make_fabric, requested_gpus
from smrestore.training.loop import StepBatches
from smrestore.training.objective import LOSSES, loss_count, masked_psnr, moving_average
from smrestore.training.settings import Training

SETTINGS = TRAINING


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


def test_components_get_a_part_out_of_phase(world):
    lagging = pairs(world, SETTINGS.replace(out_of_phase=0.4), count=40)
    shares = []
    for index in range(40):
        sample, again = lagging[index], lagging[index]
        assert torch.equal(sample["truth"], again["truth"])
        truth = sample["truth"][0].numpy() + 1j * sample["truth"][1].numpy()
        shares.append(1 - np.abs(np.sum(truth**2)) / np.sum(np.abs(truth) ** 2))
    real = pairs(world)[0]["truth"].numpy()
    real = real[0] + 1j * real[1]
    assert np.abs(np.sum(real**2)) == pytest.approx(np.sum(np.abs(real) ** 2), rel=1e-5)
    # Of a second component with up to 0.4 of the norm: 2 * 0.4^2 / (1 + 0.4^2) at most, as |a + ib|
    # of orthogonal images.
    assert 0.05 < max(shares) <= 0.28
    assert np.mean(np.array(shares) > 1e-3) > 0.7


def test_training_begins_with_weights_of_the_package(world, tmp_path):
    network = {"name": "dncnn", "features": 48, "depth": 10}
    settings = SETTINGS.replace(
        network=network, phase="raw", start="dncnn", steps=1, learning_rate=1e-9, interval=1
    )
    trained = train(world, tmp_path, settings)
    shipped = load_file(shipped_weights("dncnn"))
    for name, tensor in shipped.items():
        if tensor.is_floating_point() and "running" not in name:
            torch.testing.assert_close(trained[name], tensor.float(), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match=r"'dncnn' of the package has network .* the experiment"):
        train(world, tmp_path, settings.replace(network={**network, "depth": 9}))
    with pytest.raises(InputError, match="'dncnn' of the package has phase raw, the experiment"):
        train(world, tmp_path, settings.replace(phase="canonical"))


@pytest.mark.parametrize("phase", ["raw", "canonical"])
def test_samples_are_normalized_padded_and_turned(world, phase):
    data = pairs(world, SETTINGS.replace(phase=phase))
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


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_quality_ignore_padding(loss):
    truth, restored = torch.randn(2, 2, 6, 6), torch.randn(2, 2, 6, 6, requires_grad=True)
    valid = torch.zeros(2, 1, 6, 6)
    valid[0, :, 1:4, 2:5] = 1
    valid[1, :, :, :] = 1
    value = LOSSES[loss](restored, truth, valid)
    value.backward()
    value, restored, gradient = value.detach(), restored.detach(), restored.grad
    assert not gradient[0, :, 0].any()
    assert gradient[0, :, 1, 2].abs().min() > 0
    changed = restored.clone()
    changed[0, :, 0] += 100
    assert LOSSES[loss](changed, truth, valid) == value
    assert torch.equal(masked_psnr(changed, truth, valid), masked_psnr(restored, truth, valid))
    error = restored - truth
    first, second = error[0, :, 1:4, 2:5], error[1]
    if loss == "l1":
        expected = float(first.abs().sum() + second.abs().sum()) / (2 * (9 + 36))
    else:
        expected = np.mean([np.log10(float(part.square().mean())) / 2 for part in (first, second)])
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_of_a_batch_is_the_sum_over_its_parts(loss):
    restored, truth = torch.randn(2, 4, 2, 5, 5)
    valid, missing = (torch.rand(2, 4, 1, 5, 5) < 0.7).float()
    weight = 1 + 5 * missing
    whole = LOSSES[loss](restored, truth, valid, weight)
    count = loss_count(loss, valid)
    parts = [slice(0, 1), slice(1, 4)]
    shares = [LOSSES[loss](restored[p], truth[p], valid[p], weight[p], count) for p in parts]
    assert sum(shares) == pytest.approx(float(whole), rel=1e-5)
    assert LOSSES[loss](restored, truth, valid, 2 * weight) > whole


def test_logarithm_of_the_error_is_the_psnr():
    truth = torch.randn(3, 2, 6, 6)
    truth /= (
        truth.square().sum(dim=1, keepdim=True).flatten(1).amax(dim=1).sqrt()[:, None, None, None]
    )
    restored, valid = (
        truth + torch.tensor([0.02, 0.1, 0.3])[:, None, None, None],
        torch.ones(3, 1, 6, 6),
    )
    loss = LOSSES["log-error"](restored, truth, valid)
    assert -20 * loss == pytest.approx(float(masked_psnr(restored, truth, valid).mean()), abs=0.05)
    # Without any error it is finite, and so is its gradient.
    same = truth.clone().requires_grad_()
    LOSSES["log-error"](same, truth, valid).backward()
    assert torch.isfinite(same.grad).all()
    assert tuple(LOSSES) == literals(Training, "loss")


def test_averaged_weights_warm_up_and_copy_integers():
    network = torch.nn.BatchNorm1d(1)
    average = moving_average(network, 0.99)
    average.update_parameters(network)
    for step, share in ((1, 1 - 2 / 11), (10_000, 0.01)):
        average.n_averaged.fill_(step)
        average.module.running_mean.zero_()
        network.running_mean.fill_(1)
        network.num_batches_tracked.fill_(step)
        average.update_parameters(network)
        assert average.module.running_mean.item() == pytest.approx(share)
        assert average.module.num_batches_tracked.item() == step


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
    for key, name in (("sha256", "weights"), ("sha256_last", "last"), ("sha256_best", "best")):
        content = (tmp_path / f"{name}.safetensors").read_bytes()
        assert card[key] == hashlib.sha256(content).hexdigest()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "best.safetensors",
        "card.json",
        "history.csv",
        "last.safetensors",
        "tensorboard",
        "weights.safetensors",
    ]
    levels = [f"psnr_{level:g}_dB" for level in SETTINGS.validation_levels]
    assert np.allclose(history[levels].mean(axis=1), history["validation_psnr_dB"])
    assert card["best"]["step"] == history["step"][history["validation_psnr_dB"].idxmax()]
    assert card["training"]["matrices"] == 3
    assert card["noise_pool"]["scans"][0]["frames"] == 150
    (events,) = (tmp_path / "tensorboard").iterdir()
    log = EventAccumulator(str(events)).Reload()
    logged = [event.value for event in log.Scalars("validation_psnr_dB")]
    assert logged == pytest.approx(history["validation_psnr_dB"])


def stop_after(monkeypatch, step, number):
    """Send this process a signal in a certain step."""
    original = loop.Loop.take

    def take(self, batch):
        if self.step == step:
            signal.raise_signal(number)
        return original(self, batch)

    monkeypatch.setattr(loop.Loop, "take", take)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_stopped_training_ends_with_the_same_weights(world, tmp_path, monkeypatch, batch_norm):
    settings = SETTINGS.replace(
        network={**SETTINGS.network.plain(), "batch_norm": batch_norm},
        steps=8,
        interval=4,
        export="best",
    )
    whole = train(world, tmp_path / "whole", settings)
    # Within an interval, at its end, and twice in one.
    for step, number in ((1, signal.SIGTERM), (3, signal.SIGUSR1), (4, signal.SIGTERM)):
        with monkeypatch.context() as patch:
            stop_after(patch, step, number)
            with pytest.raises(InterruptionError, match=f"{number.name} after {step + 1} of 8"):
                train(world, tmp_path / "parts", settings)
    assert not (tmp_path / "parts" / "weights.safetensors").exists()
    resumed = train(world, tmp_path / "parts", settings)
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    one, other = (pd.read_csv(tmp_path / n / "history.csv") for n in ("whole", "parts"))
    pd.testing.assert_frame_equal(*(t.drop(columns="elapsed_s") for t in (one, other)))


def test_checkpoint_of_another_training_is_not_resumed(world, tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        stop_after(patch, 3, signal.SIGTERM)
        with pytest.raises(InterruptionError):
            train(world, tmp_path, code="old")
    # A network of other layers could not even load it.
    settings = SETTINGS.replace(network={**SETTINGS.network.plain(), "depth": 2})
    train(world, tmp_path, settings)
    assert "of another recipe, data or code: starting anew" in caplog.text
    assert pd.read_csv(tmp_path / "history.csv")["step"].tolist() == [2, 4, 6]


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damaged_checkpoint_is_passed_over(tmp_path, damage):
    kept = Checkpoints(tmp_path / "checkpoints", "mark")
    assert kept.load() is None
    for step in (10, 20, 30):
        kept.save(step, {"step": step, "tensor": torch.full((100,), step)})
    older, newer = sorted(kept.folder.glob("*.ckpt"))
    content = bytearray(newer.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    newer.write_bytes(content if damage == "flipped" else content[:-100])
    with pytest.warns(UserWarning, match=f"{newer.name}: damaged; going back"):
        state = kept.load()
    assert state["step"] == 20
    assert torch.equal(state["tensor"], torch.full((100,), 20))
    assert [older] == list(kept.folder.glob("*.ckpt"))
    assert Checkpoints(kept.folder, "other").load() is None


def test_parts_and_clipping_of_a_step(world, tmp_path):
    settings = SETTINGS.replace(
        batch_size=6, network={**SETTINGS.network.plain(), "batch_norm": False}
    )
    whole = train(world, tmp_path / "whole", settings)
    parts = train(world, tmp_path / "parts", settings.replace(accumulate=3))
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor, parts[name], rtol=0, atol=1e-6)
    # Adam does not see the scale of the gradient, but its epsilon of 1e-8 does.
    clipped = train(world, tmp_path / "clip", settings.replace(gradient_clip=1e-9))
    start = build_initial(settings)
    assert moved(clipped, start) < 0.2 * moved(whole, start)
    history = pd.read_csv(tmp_path / "clip" / "history.csv")
    assert (history["gradient_norm"] > 1e-3).all()


def build_initial(settings):
    torch.manual_seed(1)
    sizes = settings.network.plain()
    return build_network(sizes.pop("name"), settings.dimension, **sizes).state_dict()


def moved(weights, start):
    return sum((weights[name] - start[name]).abs().sum() for name in weights)


def test_early_stop_and_best_weights(world, tmp_path):
    # The first steps of this rate only make the network worse.
    settings = SETTINGS.replace(
        learning_rate=0.3, ema_decay=0.0, steps=40, early_stop=2, export="best"
    )
    weights = train(world, tmp_path, settings)
    history = pd.read_csv(tmp_path / "history.csv")
    best = history["validation_psnr_dB"].idxmax()
    assert best == len(history) - 3
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["metrics"] == card["best"]
    assert card["last"]["step"] == history["step"].iloc[-1] < 40
    for name, tensor in load_file(tmp_path / "best.safetensors").items():
        assert torch.equal(tensor, weights[name])
    assert (load_file(tmp_path / "last.safetensors")["last.weight"] != weights["last.weight"]).any()


def test_precision_and_determinism(world, tmp_path):
    settings = SETTINGS.replace(precision="bf16", deterministic=True)
    mixed = train(world, tmp_path / "mixed", settings)
    exact = train(world, tmp_path / "exact", settings.replace(precision="float32"))
    assert mixed["last.weight"].dtype == torch.float32
    assert 0 < (mixed["last.weight"] - exact["last.weight"]).abs().max() < 1e-2
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(InputError, match=r"precision: CPUs do not train in fp16"):
        train(world, tmp_path, SETTINGS.replace(precision="fp16"))
    with pytest.raises(InputError, match=r"precision: unknown 'half'"):
        SETTINGS.replace(precision="half")


def test_steps_are_shared_among_devices():
    for devices in (1, 2, 4):
        shares = [list(StepBatches(range(3, 6), 8, rank, devices)) for rank in range(devices)]
        for step, of_devices in zip(range(3, 6), zip(*shares, strict=True), strict=True):
            assert [*itertools.chain(*of_devices)] == list(range(8 * step, 8 * step + 8))
    with pytest.raises(InputError, match="9 samples cannot be divided into 6 equal parts"):
        make_fabric(SETTINGS.replace(batch_size=9, accumulate=3), "cpu", 2)


@pytest.mark.parametrize(
    ("gpu", "gres", "expected"),
    [(1, "", 1), (2, "", 2), (0, "gpu:2", 2), (0, "gpu:a100:4", 4), (0, "gpu:a100", 1), (0, "", 1)],
)
def test_requested_gpus(gpu, gres, expected):
    assert requested_gpus(gpu, gres) == expected


def test_oversize_matrices_are_excluded_or_cropped(world):
    store, pool = SystemMatrixStore([world.training]), NoisePool(world.pool)
    sizes = [max(store.shape(i)) for i in range(len(store))]
    patch = max(sizes) - 1
    large = sum(size > patch for size in sizes)
    exclude = SETTINGS.replace(patch=patch, oversize="exclude")
    crop = SETTINGS.replace(patch=patch, oversize="crop")
    chosen = check_data(store, pool, exclude)
    assert (len(chosen.matrices), chosen.excluded) == (len(sizes) - large, large)
    assert f"without {large} that exceed the patch" in str(chosen)
    assert f"{large} of which are cropped" in str(check_data(store, pool, crop))
    with pytest.raises(InputError, match=r"oversize: all 3 system matrices exceed the patch of 2"):
        check_data(store, pool, exclude.replace(patch=2))

    def extents(settings):
        data = pairs(world, settings)
        return {float(data[i]["valid"].sum()) for i in range(20)}

    fitting = {float(np.prod(store.shape(i))) for i in chosen.matrices}
    cut = {float(np.prod(np.minimum(store.shape(i), patch))) for i in range(len(sizes))}
    assert extents(exclude) <= fitting
    assert extents(crop) <= cut
    assert extents(crop) - fitting
    sample = pairs(world, crop)[0]
    assert np.hypot(*sample["degraded"].numpy()).max() == pytest.approx(1, abs=1e-5)


def test_flips_mirror_the_stored_component(world, tmp_path):
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 1, (6, 5, 1)).astype(np.float32)
    image /= image.max()
    index = np.array([0], np.int32)
    case = SystemMatrixStore([world.training]).parameters(0)
    matrix = StoredMatrix(
        "one", image[None], index, index + 9, np.zeros((1, 3), np.int32), np.ones(1), case
    )
    write_store(tmp_path / "store.h5", [matrix])
    settings = SETTINGS.replace(flips=True, scale=(1.0, 1.0))
    store, pool = SystemMatrixStore([tmp_path / "store.h5"]), NoisePool(world.pool)
    data = TrainingPairs(store, pool, settings, 1, "training", 0, 20)
    ways = ((), (0,), (1,), (0, 1))
    found = set()
    for sample in ({n: t.numpy() for n, t in data[i].items()} for i in range(20)):
        truth = np.hypot(*sample["truth"])[sample["valid"][0] > 0].reshape(6, 5)
        truth /= truth.max()
        same = [w for w in ways if np.allclose(np.flip(image[..., 0], w), truth, atol=1e-5)]
        assert len(same) == 1
        found.update(same)
    assert found == set(ways)


def test_validation_takes_each_component_at_all_levels(world):
    assert SETTINGS.validation_levels == (0.06, 0.1, 0.2, 0.3)
    quiet = SETTINGS.replace(sigma=(0.0, 0.05), noise_free=0.2)
    assert quiet.validation_levels == (0.0, 0.0083, 0.025, 0.0417)
    data = pairs(world, SETTINGS.replace(phase="raw"), levels=(0.0, 0.1, 0.2))
    clean, weak, strong = ({k: t.numpy() for k, t in data[i].items()} for i in range(3, 6))
    # In units of the truth, the noise differs in strength alone.
    noise = []
    for sample in (clean, weak, strong):
        peak = np.hypot(*sample["truth"]).max()
        noise.append((sample["degraded"] - sample["truth"]) / peak)
    np.testing.assert_allclose(noise[0], 0, atol=1e-6)
    np.testing.assert_allclose(noise[2], 2 * noise[1], atol=1e-5)
    assert np.abs(noise[1]).max() > 0.01


def test_demanded_gpu_that_is_absent_is_an_error(world, tmp_path):
    if torch.cuda.is_available():
        assert choose_accelerator("gpu") == "gpu"
        return
    with pytest.raises(InputError, match="a GPU is demanded"):
        train(world, tmp_path, accelerator="gpu")
    assert choose_accelerator("auto") == "cpu"
    with pytest.raises(InputError, match="2 GPUs are demanded, PyTorch sees 0"):
        make_fabric(SETTINGS.replace(batch_size=4), "gpu", 2)


def test_loss_that_is_not_finite_stops_the_training(world, tmp_path):
    settings = SETTINGS.replace(steps=8).model_copy(update={"learning_rate": 1e30})
    with pytest.raises(InputError, match=r"not finite in step 1.* its samples are in .*bad_batch"):
        train(world, tmp_path, settings)
    assert not (tmp_path / "weights.safetensors").exists()
    with np.load(tmp_path / "bad_batch.npz") as batch:
        assert batch["sample"].tolist() == [3, 4, 5]
        np.testing.assert_array_equal(batch["degraded"][1], pairs(world)[4]["degraded"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": {"name": "dncnn", "features": 10**6, "depth": 3}}, "Make the network smaller"),
        (
            {"batch_size": 8, "accumulate": 2},
            r"a step of 8 samples.*[Ss]et accumulate to 4.*batch_size to 4",
        ),
        ({"batch_size": 3}, r"Set batch_size to 1, or use a device"),
        ({"batch_size": 1}, r"Make network or patch smaller"),
    ],
)
def test_lack_of_memory_says_what_to_change(world, tmp_path, monkeypatch, settings, message):
    if "network" not in settings:
        # A network that asks for far more than any machine has: a real failure of the allocator.
        def forward(self, image, mask, sigma=None):
            return image * torch.empty(2**50)

        monkeypatch.setattr(DnCNN, "forward", forward)
    with pytest.raises(InputError, match=f"the memory does not hold .*{message}"):
        train(world, tmp_path, SETTINGS.replace(**settings))


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
    settings = SETTINGS.replace(
        phase=phase,
        network={**SETTINGS.network.plain(), "batch_norm": False, "mask_features": True},
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


def test_tiles_cover_large_grids(world):
    """Tiles of a network that changes nothing give the grid back, restored ones included."""

    class Repeat(torch.nn.Module):
        def __init__(self, spacing):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.spacing, self.sizes = spacing, set()

        def forward(self, image, mask, sigma):
            self.sizes.add(tuple(image.shape[2:]))
            for axis in (2, 3):
                image = image.repeat_interleave(self.spacing, axis)
            return image

    rng = np.random.default_rng(0)
    for spacing in (1, 2):
        network = Repeat(spacing)
        method = NetworkMethod(network, 2, 12, spacing, True, Inference(tile=True))
        items = []
        for shape in ((30, 13, 1), (12, 50, 1), (5, 4, 1)):
            image = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
            size = tuple(spacing * n - (spacing - 1) if n > 1 else 1 for n in shape)
            items.append(Degraded(image, 0.1, spacing=spacing, size=size))
        for item, restored in zip(items, method(items), strict=True):
            expected = item.image.repeat(spacing, 0).repeat(spacing, 1)
            expected = expected[: item.restored_size[0], : item.restored_size[1]]
            np.testing.assert_allclose(restored, expected, atol=1e-5)
        assert network.sizes == {(12, 12)}


def test_ensembles_are_equivariant():
    network = build_network("dncnn", 2, features=4, depth=3, batch_norm=False, mask_features=True)
    rng = np.random.default_rng(0)
    image = (rng.normal(size=(7, 6, 1)) + 1j * rng.normal(size=(7, 6, 1))).astype(np.complex64)

    def restore(image, *ensemble):
        method = NetworkMethod(
            network.eval(), 2, 12, 1, False, Inference(ensemble=ensemble), flips=True
        )
        return method([Degraded(image, 0.1)])[0]

    plain = restore(image)
    assert np.abs(restore(1j * image) - 1j * plain).max() > 1e-3
    phases = restore(image, "phases")
    np.testing.assert_allclose(restore(1j * image, "phases"), 1j * phases, atol=1e-5)
    expected = [restore(1j**k * image) / 1j**k for k in range(4)]
    np.testing.assert_allclose(phases, np.mean(expected, axis=0), atol=1e-5)
    both = restore(image, "phases", "flips")
    for axes in ((0,), (1,), (0, 1)):
        mirrored = np.flip(image, axes).copy()
        np.testing.assert_allclose(
            restore(mirrored, "phases", "flips"), np.flip(both, axes), atol=1e-5
        )
    with pytest.raises(InputError, match="not trained with mirrored components"):
        NetworkMethod(network, 2, 12, 1, False, Inference(ensemble=["flips"]))
    with pytest.raises(InputError, match="do not cover the same restored voxels"):
        NetworkMethod(network, 2, 6, 2, False, Inference(ensemble=["flips"]), flips=True)
    with pytest.raises(InputError, match=r"ensemble\[0\]: unknown 'turns'"):
        Inference.checked({"ensemble": ["turns"]})

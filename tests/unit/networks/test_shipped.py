"""Networks that come with the package."""

import json
import shutil

import numpy as np
import pytest

from smrestore.methods import load_method
from smrestore.metrics import psnr
from smrestore.networks.cards import DENOISER, SHIPPED, read_card, shipped_names, shipped_weights
from smrestore.networks.weights import list_models, load_model
from smrestore.physics.parameters import SizeLimits, draw_cases
from smrestore.simulation.batches import ComponentSelection, simulate_batch
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Degraded

MEBIBYTE = 2**20


def test_they_are_small_enough_for_a_package():
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12 * MEBIBYTE
    assert DENOISER in shipped_names()


@pytest.mark.parametrize("name", shipped_names())
def test_cards(name):
    card = read_card(shipped_weights(name))
    assert {
        "command",
        "git_commit",
        "created",
        "training",
        "metrics",
        "test",
        "fails",
        "sha256",
    } <= set(card)


def test_they_are_listed():
    rows, broken = list_models(SHIPPED)
    assert not broken
    assert [row["model"] for row in rows] == shipped_names()


def test_damage_is_found(tmp_path):
    folder = shutil.copytree(shipped_weights("swinir").parent, tmp_path / "swinir")
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match=r"weights.safetensors: sha256: the weights are damaged"):
        load_model(weights)
    card = json.loads((folder / "card.json").read_text())
    del card["sha256"]
    (folder / "card.json").write_text(json.dumps(card))
    load_model(weights)
    weights.unlink()
    with pytest.raises(InputError, match="no such file"):
        load_model(weights)


def test_an_unknown_name_is_named():
    with pytest.raises(InputError, match="no network 'unet' comes with the package"):
        shipped_weights("unet")


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Components of new matrices with white noise of 0.1, and their truth."""
    path = tmp_path_factory.mktemp("shipped") / "new.h5"
    limits = SizeLimits((12, 32))
    cases = draw_cases(12, seed=7, dataset="new", split="test", dimension=2, limits=limits)
    simulate_batch(cases, path, seed=7, selection=ComponentSelection(1e-5, 60))
    store, rng = SystemMatrixStore([path]), np.random.default_rng(7)
    items = []
    for matrix in range(len(store)):
        for index in rng.choice(store.n_components(matrix), 3, replace=False):
            truth = store.read(matrix, int(index)).image
            truth = truth / np.abs(truth).max() * np.exp(2j * np.pi * rng.random())
            noise = rng.normal(size=(2, *truth.shape)) / np.sqrt(2)
            image = truth + 0.1 * (noise[0] + 1j * noise[1])
            size = np.abs(image).max()
            items.append((Degraded((image / size).astype(np.complex64), 0.1 / size), truth, size))
    return items


@pytest.mark.parametrize("name", shipped_names())
def test_new_matrices_are_restored_as_the_card_says(name, noisy):
    """White noise is easier than noise that drifts, so 2.5 dB are allowed."""
    method = load_method(None, shipped_weights(name))
    restored = method([item for item, _, _ in noisy])
    found = np.mean(
        [psnr(image * size, truth) for image, (_, truth, size) in zip(restored, noisy, strict=True)]
    )
    expected = read_card(shipped_weights(name))["test"]["psnr_0.1_dB"]
    assert found == pytest.approx(expected, abs=2.5)

"""Models on disk: damaged ones, and the command that lists them."""

import json
import subprocess
import sys

import pytest
import torch

from smrestore.cli import main
from smrestore.networks import build_network
from smrestore.networks.weights import load_model, save_card, save_model, save_weights
from smrestore.support.errors import InputError


def save(folder, **changes):
    """Write a network without training it."""
    network = build_network("dncnn", 2, features=4, depth=3)
    settings = {
        "task": "denoising",
        "degradation": {},
        "dimension": 2,
        "network": {"name": "dncnn", "features": 4, "depth": 3},
        "phase": "raw",
        "patch": 12,
        **changes,
    }
    card = {
        "task": settings["task"],
        "settings": settings,
        "metrics": {"step": 7, "validation_psnr_dB": 31.234},
        "names": {"dataset": "lissajous-2d"},
    }
    save_model(network, card, folder / "weights.safetensors")
    return network, folder / "weights.safetensors"


def test_round_trip(tmp_path):
    network, path = save(tmp_path)
    loaded, card = load_model(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    assert not loaded.training
    assert card["git_commit"]


def spoil_weights(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def spoil_card(path):
    path.with_name("card.json").write_text("{")


def drop_phase(path):
    card = json.loads(path.with_name("card.json").read_text())
    del card["settings"]["phase"]
    path.with_name("card.json").write_text(json.dumps(card))


def other_network(path):
    card = json.loads(path.with_name("card.json").read_text())
    card["settings"]["network"]["depth"] = 4
    path.with_name("card.json").write_text(json.dumps(card))


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def other_weights(path):
    save_weights(build_network("dncnn", 2, features=4, depth=3).state_dict(), path)


def truncate_weights(path):
    path.write_bytes(path.read_bytes()[:-1])


FAULTS = [
    (truncate_weights, "weights.safetensors: no readable weights, the file is truncated"),
    (spoil_weights, "weights.safetensors: no readable weights"),
    (flip_a_bit, "weights.safetensors: sha256: the weights are damaged"),
    (other_weights, "weights.safetensors: sha256: the weights are damaged, or belong to another"),
    (spoil_card, "card.json: no readable card"),
    (drop_phase, "card.json: settings.phase: the card lacks it"),
    (other_network, "weights.safetensors: weights do not fit the card's network"),
    (lambda path: path.unlink(), "weights.safetensors: no such file. Train the model"),
    (lambda path: path.with_name("card.json").unlink(), "card.json: no such file"),
]


@pytest.mark.parametrize(("spoil", "message"), FAULTS, ids=[m for _, m in FAULTS])
def test_damaged_models_are_named(tmp_path, capsys, spoil, message):
    save(tmp_path / "good")
    _, path = save(tmp_path / "bad")
    spoil(path)
    with pytest.raises(InputError, match=message):
        load_model(path)
    assert main(["models", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["model", "task", "dimension", "network"]
    assert lines[2].split()[:7] == [
        "good",
        "denoising",
        "2",
        "dncnn",
        str(sum(p.numel() for p in build_network("dncnn", 2, features=4, depth=3).parameters())),
        "lissajous-2d",
        "31.23",
    ]
    assert len(lines) == 4
    assert lines[3].startswith(f"broken: {tmp_path}/bad/{message}")


def test_damaged_weights_of_a_run_are_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, path = save(tmp_path / "results/models/dncnn")
    flip_a_bit(path)
    with pytest.raises(
        InputError, match=r"snakemake --cores all --forcerun results/models/dncnn/weights\.safe"
    ):
        load_model(path)


def test_last_and_best_weights_have_checksums_of_their_own(tmp_path):
    network, path = save(tmp_path)
    last = path.with_name("last.safetensors")
    weights = {name: 2 * tensor for name, tensor in network.state_dict().items()}
    checksum = save_weights(weights, last)
    card = json.loads(path.with_name("card.json").read_text())
    save_card({**card, "sha256_last": checksum}, path)
    load_model(path)
    load_model(last)
    flip_a_bit(last)
    with pytest.raises(InputError, match=r"last.safetensors: sha256_last: the weights are damaged"):
        load_model(last)


def test_folder_without_models(tmp_path, capsys):
    assert main(["models", str(tmp_path)]) == 0
    assert "no trained networks" in capsys.readouterr().out
    assert main(["models", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_models_load_without_the_training_stack():
    code = (
        "import sys, smrestore.networks.weights, smrestore.methods.network; "
        "assert not {'lightning_fabric', 'tensorboard', 'smrestore.training'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

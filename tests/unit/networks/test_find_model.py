"""Networks that come with the package."""

import importlib.util
from pathlib import Path

import pytest

from smrestore.cli import main
from smrestore.methods import load_method
from smrestore.networks import shipped
from smrestore.networks.cards import shipped_names
from smrestore.networks.weights import load_model
from smrestore.support.errors import InputError


def test_each_shipped_network_loads_by_its_name():
    assert "unet-canonical" in shipped_names()
    for name in shipped_names():
        path = shipped.find_model(name)
        network, card = load_model(path)
        assert card["settings"]["task"] == "denoising" and not network.training


def test_a_file_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert shipped.find_model("rdn").is_absolute()
    Path("rdn").write_text("weights")
    assert shipped.find_model("rdn") == Path("rdn")


def test_no_network_of_this_name():
    with pytest.raises(InputError, match=r"no-network: no such file.* unet-canonical"):
        shipped.find_model("no-network")


def test_shipped_networks_are_listed_with_those_of_the_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["models"]) == 0
    (alone, listed) = capsys.readouterr().out.split("\n", 1)
    assert alone == "Networks that come with smrestore:"
    assert set(shipped_names()) <= set(listed.split())
    Path("results/models").mkdir(parents=True)
    assert main(["models"]) == 0
    assert "results/models: no trained networks" in capsys.readouterr().out


def test_without_torch_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(shipped, "find_spec", lambda name: None if name == "torch" else found(name))
    message = r"networks need torch, which .* pip install 'smrestore\[networks\]'"
    with pytest.raises(InputError, match=message):
        load_method(None, "rdn")
    with pytest.raises(InputError, match=message):
        load_model("rdn")
    assert main(["models"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "smrestore[networks]" in line

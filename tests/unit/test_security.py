"""Files and configurations of strangers run no code, and nothing asks the network unasked."""

import ast
import socket
from pathlib import Path

import pytest
import yaml

from checkout import ROOT
from smrestore.cli import main
from smrestore.configuration import files as configuration_files
from smrestore.configuration import load_configuration
from smrestore.public import registry
from smrestore.support.faults import ConfigurationError

SOURCES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("workflow/scripts/*.py")])
PICKLES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
HOSTILE = ("my scan", "it's", 'a"b', "a;touch x", "$(id)", "a\nb", "a\n", "../a", "größe", "a/b")


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """Return all calls with the dotted name of what is called."""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def keywords(call: ast.Call) -> dict[str, str]:
    return {word.arg: ast.unparse(word.value) for word in call.keywords if word.arg}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sources_load_no_pickles_and_start_no_shell(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.partition(".")[0] for name in names} & PICKLES
    for name, call in calls(tree):
        assert name not in {"eval", "exec", "os.system", "os.popen"}
        assert not name.endswith(("read_pickle", "extractall", "yaml.unsafe_load"))
        assert keywords(call).get("shell", "False") == "False"
        assert keywords(call).get("allow_pickle", "False") == "False"
        if name.endswith("torch.load"):
            assert keywords(call).get("weights_only") == "True"


def test_the_search_finds_what_it_looks_for():
    ((name, call),) = calls(ast.parse("torch.load(path, weights_only=False)"))
    assert name == "torch.load"
    assert keywords(call) == {"weights_only": "False"}
    assert any("torch.load(" in path.read_text() for path in SOURCES)


@pytest.mark.parametrize("loader", [configuration_files._Loader, registry._Loader])
def test_yaml_makes_no_objects(loader):
    with pytest.raises(yaml.constructor.ConstructorError):
        yaml.load("!!python/object/apply:os.getcwd []", loader)


@pytest.fixture
def overlay(tmp_path: Path):
    """Return a function that gives the faults of the default with one more entry."""

    def faults(section: str, name: str, entry: dict) -> str:
        path = tmp_path / "overlay.yaml"
        path.write_text(yaml.safe_dump({section: {name: entry}}, allow_unicode=True))
        with pytest.raises(ConfigurationError) as caught:
            load_configuration([ROOT / "config.yaml", path])
        return str(caught.value)

    return faults


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_a_shell_or_a_file_system_could_misread_are_refused(overlay, name):
    text = overlay("scans", name, {"source": "file", "kind": "empty", "path": "x.mdf"})
    assert "cannot be a name, because names become file names" in text


@pytest.mark.parametrize(("section", "like"), [("experiments", "dncnn"), ("measurements", "snake")])
def test_names_of_other_sections_are_refused_too(overlay, section, like):
    assert "cannot be a name" in overlay(section, "a; rm b", {"like": like})


def test_paths_with_wildcards_of_snakemake_are_refused(overlay):
    text = overlay("scans", "own", {"source": "file", "kind": "empty", "path": "{scan}.mdf"})
    assert "scans.own.path: '{scan}.mdf' has braces" in text
    assert text.count("\n") == 0


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **_: object) -> None:
        pytest.fail(f"the network is asked: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


def test_commands_ask_no_network(no_network, world, tmp_path, capsys):
    example = (ROOT / "docs/data-formats.md").read_text().partition("```json\n")[2]
    (tmp_path / "cases.json").write_text(example.partition("```")[0])
    simulated, restored = str(tmp_path / "out.h5"), str(tmp_path / "restored.mdf")
    commands = [
        ["check", str(ROOT / "config.yaml")],
        ["simulate", str(tmp_path / "cases.json"), simulated],
        ["inspect", str(world.calibration)],
        ["restore", "denoising", str(world.calibration), restored, "--method", "dct-filter"],
        ["models", str(tmp_path)],
    ]
    for command in commands:
        assert main(command) == 0, capsys.readouterr().err
    assert Path(restored).exists()

"""The walk through a small virtual scan; tests/workflow/test_installed.py runs all of it."""

from pathlib import Path

import pytest

from smrestore import mdf
from smrestore.cli import application, main
from smrestore.commands import demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "walk"
    path.mkdir()
    demo.make_scans(path)
    return path


def test_scans_are_what_the_text_says(folder: Path):
    with mdf.open_mdf(folder / demo.CALIBRATION) as calibration:
        assert calibration.acquisition.n_averages == 1
        assert calibration.grid().size == (17, 15, 1)
    with mdf.open_mdf(folder / demo.PHANTOM) as phantom:
        assert phantom.is_background.sum() == 10 and len(phantom.is_background) == 20


@pytest.mark.parametrize("step", demo.STEPS, ids=lambda step: step.output or "inspect")
def test_commands_are_those_of_the_command_line(step: demo.Step):
    command, bound, _ = application().parse_args(
        step.arguments, exit_on_error=False, print_error=False
    )
    assert command.__name__ == step.arguments[0]
    given = (*bound.args, *bound.kwargs.values())
    assert step.output is None or Path(step.output) in given


def test_commands_are_shown_and_what_is_there_is_kept(folder, capfd, monkeypatch):
    monkeypatch.setattr(demo, "STEPS", [demo.STEPS[0], demo.STEPS[3]])
    before = (folder / demo.CALIBRATION).stat().st_mtime_ns
    assert main(["demo", str(folder)]) == 0
    first = capfd.readouterr().out
    assert f"$ cd {folder}" in first
    assert "$ smrestore inspect calibration.mdf" in first and "Nothing is unusual." in first
    assert "$ smrestore reconstruct calibration.mdf phantom.mdf image-measured.mdf" in first
    image = (folder / "image-measured.mdf").stat().st_mtime_ns
    assert main(["demo", str(folder)]) == 0
    assert "image-measured.mdf is there already." in capfd.readouterr().out
    assert (folder / "image-measured.mdf").stat().st_mtime_ns == image
    assert (folder / demo.CALIBRATION).stat().st_mtime_ns == before


def test_errors_are_one_line(folder, tmp_path, capfd, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    assert main(["demo", str(file)]) == 2
    assert capfd.readouterr().err == (
        f"smrestore: error: {file}: is a file. Give the name of a folder\n"
    )
    fails = demo.Step("Fails.", ("inspect", "none.mdf"), None, "nothing")
    monkeypatch.setattr(demo, "STEPS", [fails])
    assert main(["demo", str(folder)]) == 2
    *_, line = capfd.readouterr().err.splitlines()
    assert line.endswith(
        "smrestore inspect failed. Delete the folder, and run smrestore demo again"
    )

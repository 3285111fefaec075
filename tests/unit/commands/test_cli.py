"""The command line: what it writes, what it says about errors, and how fast it starts."""

import json
import os
import subprocess
import sys
from inspect import signature
from pathlib import Path

import h5py
import numpy as np
import pytest
from docstring_parser import parse
from mdf_files import raw_signals, write_raw

from checkout import ROOT
from smrestore.cli import COMMANDS, main
from smrestore.physics.parameters import simulation_of
from smrestore.physics.spectrum import system_matrix
from smrestore.simulation.batches import ComponentSelection, simulate_batch

CASE = {
    "name": "tiny",
    "dimension": 2,
    "model": "anisotropy",
    "particle_state": "fluid",
    "core_diameter_nm": 20.0,
    "anisotropy_constant_J_per_m3": 3500.0,
    "spatial_modulation": 0.8,
    "easy_axis": [0.0, 0.0, 1.0],
    "drive_amplitude_mT": [12, 10, 0],
    "gradient_T_per_m": [-1.0, -1.0, 2.0],
    "fov_mm": [30, 28, 0],
    "center_mm": [1, -0.5, 0],
    "size": [3, 3, 1],
    "dividers": [102, 96, 99],
    "base_frequency_Hz": 2500000.0,
    "sampling_rate_Hz": 5000000.0,
    "n_frequencies": 1633,
}


def command(*arguments: object) -> subprocess.CompletedProcess:
    """Run the installed command in a process of its own."""
    return subprocess.run(
        [Path(sys.executable).with_name("smrestore"), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def without(key: str) -> dict:
    return {name: value for name, value in CASE.items() if name != key}


def test_simulate(tmp_path: Path) -> None:
    cases = write(tmp_path / "cases.json", [CASE, {**CASE, "name": "other", "size": [2, 4, 1]}])
    output = tmp_path / "new" / "out.h5"
    assert main(["simulate", str(cases), str(output)]) == 0
    with h5py.File(output) as file:
        assert set(file) == {"tiny", "other"}
        assert file["other/system_matrix"].shape == (3, 1633, 2, 4, 1)
        matrix = file["tiny/system_matrix"]
        assert matrix.dtype == np.complex128
        assert matrix.attrs["unit"] == "1/s"
        np.testing.assert_array_equal(matrix[()], system_matrix(simulation_of(CASE)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "not JSON: "),
        ([], "not a list of cases. Write [{...}, ...]"),
        ({"cases": [CASE]}, "not a list of cases. Write [{...}, ...]"),
        ([CASE, CASE], "two cases are called 'tiny'. Rename one"),
        ([without("easy_axis")], "case 'tiny' lacks easy_axis. Add the key; "),
        ([{**CASE, "model": "ising"}], "unknown model 'ising'. Use one of anisotropy, langevin"),
        ([{**CASE, "sampling_rate_Hz": 4.0001e6}], "a whole number of samples per cycle"),
    ],
)
def test_simulate_wrong_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture, content: object, message: str
) -> None:
    cases = write(tmp_path / "cases.json", content)
    assert main(["simulate", str(cases), str(tmp_path / "out.h5")]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("smrestore")]
    assert line.startswith("smrestore: error: ")
    assert message in line
    # No output and no temporary file either.
    assert list(tmp_path.iterdir()) == [cases]


def test_former_output_survives_an_error(tmp_path: Path) -> None:
    output = write(tmp_path / "out.h5", "former")
    assert main(["simulate", str(write(tmp_path / "c.json", [CASE, CASE])), str(output)]) == 2
    assert output.read_text() == "former"


def test_error_is_the_only_line(tmp_path: Path) -> None:
    cases = write(tmp_path / "cases.json", [without("size")])
    result = command("simulate", cases, tmp_path / "out.h5")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "smrestore: error: size: case 'tiny' lacks size. "
        "Add the key; docs/data-formats.md lists all"
    ]


def test_missing_and_unreadable_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["simulate", str(tmp_path / "none.json"), str(tmp_path / "out.h5")]) == 2
    assert main(["simulate", str(tmp_path), str(tmp_path / "out.h5")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"smrestore: error: {tmp_path}/none.json: no such file. Check the path",
        f"smrestore: error: {tmp_path}: Is a directory",
    ]


def test_check_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    overlay = write(tmp_path / "overlay.yaml", "seed: 3\n")
    assert main(["check", "config.yaml", str(overlay)]) == 0
    assert capsys.readouterr().out == f"config.yaml, {overlay}: no faults\n"


def test_check_lists_all_faults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    overlay = write(tmp_path / "overlay.yaml", "seed: -3\naccelerator: tpu\n")
    assert main(["check", "config.yaml", str(overlay)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "smrestore: error: accelerator: unknown 'tpu'. Use one of auto, gpu, cpu",
        "smrestore: error: seed: -3 is below 0. Give 0 or more",
    ]


def test_version_and_help(capsys: pytest.CaptureFixture) -> None:
    for option, text in (("--version", "smrestore 0."), ("--help", "simulate")):
        assert main([option]) == 0
        assert text in capsys.readouterr().out


def test_command_is_required(capsys: pytest.CaptureFixture) -> None:
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", [command.__name__.strip("_").replace("_", "-") for command in COMMANDS]
)
def test_help_explains_every_argument(capsys: pytest.CaptureFixture, name: str) -> None:
    assert main([name, "--help"]) == 0
    command = next(item for item in COMMANDS if item.__name__.strip("_") == name.replace("-", "_"))
    text = capsys.readouterr().out
    documented = {item.arg_name for item in parse(command.__doc__).params}
    assert documented == set(signature(command).parameters)
    assert all(argument.replace("_", "-") in text.lower() for argument in documented)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["magic"], 'Unknown command "magic"'),
        (["simulate", "cases"], "OUTPUT requires an argument"),
        (["simulate", "cases", "out", "other"], "other"),
        (["simulate", "cases", "out", "--thread", "1"], "Did you mean --threads?"),
        (["simulate", "cases", "out", "--threads", "0"], "--threads. Must be > 0"),
        # Not rounded.
        (["simulate", "cases", "out", "--threads", "1.5"], 'unable to convert "1.5" into int'),
        (["simulate", "cases", "out", "--evaluator", "x"], 'Choose from: "table", "quadrature"'),
        (["plot", "in", "out", "--mixing-order", "1", "2"], "--mixing-order requires 3"),
        (["plot", "in", "out", "--frequency", "1", "--mixing-order", "1", "2", "0"], "exclusive"),
        (["reconstruct", "a", "b", "c", "--period", "all"], 'unable to convert "all"'),
        (["reconstruct", "a", "b", "c", "--channels"], "--channels requires at least 1"),
        (["check"], "CONFIGURATION: no file is given"),
    ],
)
def test_wrong_arguments(capsys: pytest.CaptureFixture, arguments: list[str], message: str) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("smrestore: error: ") and message in line


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, smrestore.cli as cli\n"
        "for name in [[], *([command.__name__.strip('_').replace('_', '-')]"
        " for command in cli.COMMANDS)]:\n"
        "    cli.main([*name, '--help'])\n"
        "heavy = {'numpy', 'torch', 'numba', 'pandas', 'h5py', 'pydantic', 'yaml'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or None)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_inspect_imports_only_what_reads_files(world) -> None:
    script = (
        "import sys, smrestore.cli as cli\n"
        f"assert cli.main(['inspect', {str(world.calibration)!r}]) == 0\n"
        "heavy = {'torch', 'numba', 'pandas', 'matplotlib', 'pydantic', 'tabulate'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or None)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_completion_is_installed(tmp_path: Path) -> None:
    script = "import smrestore.cli as cli; cli.main(['--install-completion', '--shell', 'bash'])"
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    (completion,) = (tmp_path / ".local/share/bash-completion/completions").iterdir()
    assert "plan-calibration" in completion.read_text()
    subprocess.run(["bash", "-n", completion], check=True)


def test_simulate_by_quadrature_and_with_optional_keys(tmp_path: Path) -> None:
    case = {**CASE, "drive_phase_rad": [-1.5, 0.2, 0.0], "relaxation_time_us": 1.0}
    cases = write(tmp_path / "cases.json", [case])
    for evaluator in ("table", "quadrature"):
        output = str(tmp_path / f"{evaluator}.h5")
        options = ["--evaluator", evaluator, "--threads", "1"]
        assert main(["simulate", str(cases), output, *options]) == 0
    with h5py.File(tmp_path / "table.h5") as one, h5py.File(tmp_path / "quadrature.h5") as other:
        fast, exact = one["tiny/system_matrix"][()], other["tiny/system_matrix"][()]
    assert 0 < np.abs(fast - exact).max() <= 1e-8 * np.abs(exact).max()
    assert np.abs(exact.real).max() > 0.1 * np.abs(exact).max()


def test_simulate_with_the_transfer_function_of_a_scan(tmp_path: Path, capsys) -> None:
    case = {**CASE, "dividers": [6, 4, 5], "sampling_rate_Hz": 1.0e7}
    cases = write(tmp_path / "cases.json", [case])
    scan, plain = tmp_path / "scan.mdf", tmp_path / "plain.h5"
    transfer = np.linspace(1, 2, 3 * 25).reshape(3, 25) * np.exp(0.3j)
    write_raw(scan, raw_signals(0, 2), [0, 0], transfer_function=transfer)
    assert main(["simulate", str(cases), str(plain)]) == 0
    changed = tmp_path / "changed.h5"
    arguments = ["simulate", str(cases), str(changed), "--transfer-function", str(scan)]
    assert main(arguments) == 0
    with h5py.File(plain) as one, h5py.File(changed) as other:
        expected = one["tiny/system_matrix"][()] * transfer[:, :, None, None, None]
        np.testing.assert_allclose(other["tiny/system_matrix"][()], expected, rtol=1e-12)
    write_raw(scan, raw_signals(0, 2), [0, 0])
    assert main(arguments) == 2
    assert "transferFunction: no transfer function inside" in capsys.readouterr().err


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> dict[str, Path]:
    """A store and complete matrices in 2D and 3D."""
    folder = tmp_path_factory.mktemp("simulated")
    spatial = {
        **CASE,
        "name": "spatial",
        "dimension": 3,
        "drive_amplitude_mT": [12, 10, 11],
        "fov_mm": [30, 28, 14],
        "size": [4, 3, 2],
        "dividers": [10, 9, 8],
    }
    cases = write(folder / "cases.json", [CASE, spatial])
    assert main(["simulate", str(cases), str(folder / "full.h5")]) == 0
    selection = ComponentSelection(1e-5, 20)
    simulate_batch([CASE, spatial], folder / "store.h5", selection=selection, seed=1)
    return {"full": folder / "full.h5", "store": folder / "store.h5"}


@pytest.mark.parametrize("kind", ["full", "store"])
@pytest.mark.parametrize("matrix", ["tiny", "spatial"])
@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_plot(simulated, tmp_path, kind, matrix, ending) -> None:
    path = tmp_path / f"component.{ending}"
    assert main(["plot", str(simulated[kind]), str(path), "--matrix", matrix]) == 0
    assert path.stat().st_size > 3000


def test_plot_of_chosen_components(simulated, tmp_path) -> None:
    full = str(simulated["full"])
    pictures = []
    for options in (
        ["--mixing-order", "3", "2", "0"],
        ["--frequency", "82"],
        ["--channel", "1", "--frequency", "82"],
    ):
        pictures.append(tmp_path / f"{len(pictures)}.png")
        assert main(["plot", full, str(pictures[-1]), "--matrix", "tiny", *options]) == 0
    # k = 82 = 3 * 16 + 2 * 17.
    assert pictures[0].read_bytes() == pictures[1].read_bytes() != pictures[2].read_bytes()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            "full",
            ["--matrix", "none"],
            "no system matrix 'none' inside. Choose one of spatial, tiny",
        ),
        ("full", ["--channel", "3"], "no channel 3"),
        ("full", ["--frequency", "9999"], "no frequency bin 9999. Give 0 to"),
        (
            "full",
            ["--matrix", "tiny", "--mixing-order", "999", "0", "0"],
            "no frequency has mixing",
        ),
        ("store", ["--matrix", "tiny", "--frequency", "1632"], "the component is not kept. Choose"),
    ],
)
def test_plot_errors(simulated, tmp_path, capsys, kind, options, message) -> None:
    path = tmp_path / "component.png"
    assert main(["plot", str(simulated[kind]), str(path), *options]) == 2
    assert message in capsys.readouterr().err
    assert not path.exists()


def test_plot_of_wrong_files(simulated, tmp_path, capsys) -> None:
    picture = str(tmp_path / "component.png")
    assert main(["plot", str(tmp_path / "none.h5"), picture]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["plot", str(write(tmp_path / "text.h5", "text")), picture]) == 2
    assert "not a readable HDF5 file" in capsys.readouterr().err
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    assert main(["plot", str(tmp_path / "empty.h5"), picture]) == 2
    assert "no system matrix inside. Simulate one" in capsys.readouterr().err
    assert main(["plot", str(simulated["full"]), str(tmp_path / "component.gif")]) == 2
    assert "no format for figures ends in '.gif'" in capsys.readouterr().err

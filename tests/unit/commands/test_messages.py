"""What reaches users of the command line: one line for each error or warning, nothing else."""

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from smrestore.cli import main


def with_fault(monkeypatch: pytest.MonkeyPatch, fault: BaseException) -> None:
    def raising(path: Path) -> None:
        raise fault

    monkeypatch.setattr("smrestore.mdf.inspect_mdf", raising)


@pytest.mark.parametrize(
    ("fault", "code", "expected"),
    [
        (
            ValueError("a\nfault."),
            1,
            "unexpected ValueError: a fault. This is a fault of smrestore",
        ),
        (OSError("of HDF5"), 1, "unexpected OSError: of HDF5."),
        (PermissionError(13, "Permission denied", "a.mdf"), 2, "a.mdf: Permission denied"),
        (OSError(5, "Input/output error"), 2, "error: Input/output error"),
        (MemoryError(), 2, "the memory is full"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_any_error_is_one_line(monkeypatch, capsys, fault, code, expected) -> None:
    with_fault(monkeypatch, fault)
    assert main(["inspect", "scan.mdf"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("smrestore: error: ") and expected in line
    assert ("--debug" in line) == (code == 1)


@pytest.mark.parametrize("by", ["--debug", "environment"])
def test_errors_raise_on_request(monkeypatch, by) -> None:
    with_fault(monkeypatch, ValueError("fault"))
    if by == "environment":
        monkeypatch.setenv("SMRESTORE_DEBUG", "1")
    options = [by] if by == "--debug" else []
    with pytest.raises(ValueError, match="fault"):
        main(["inspect", "scan.mdf", *options])


def test_no_debug_in_the_environment(monkeypatch, capsys) -> None:
    with_fault(monkeypatch, ValueError("fault"))
    monkeypatch.setenv("SMRESTORE_DEBUG", "0")
    assert main(["inspect", "scan.mdf"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_warnings_are_plain_lines_and_come_once(monkeypatch, capsys) -> None:
    def warning(path: Path) -> None:
        for _ in range(2):
            warnings.warn("a\n warning", stacklevel=1)
            logging.getLogger("smrestore.mdf").warning("%d frames", 3)
        logging.getLogger("smrestore.mdf").info("nothing to tell")
        raise FileNotFoundError(2, "No such file", str(path))

    monkeypatch.setattr("smrestore.mdf.inspect_mdf", warning)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert main(["inspect", "scan.mdf"]) == 2
    first, second, error = capsys.readouterr().err.splitlines()
    assert (first, second) == ("smrestore: warning: a warning", "smrestore: warning: 3 frames")
    assert error == "smrestore: error: scan.mdf: No such file"
    # Nothing of it lasts.
    assert logging.getLogger("smrestore").propagate
    assert logging.getLogger("smrestore").handlers == []


def test_readers_may_stop_reading(world) -> None:
    script = "import sys; from smrestore.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "inspect", str(world.calibration)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        error = process.stderr.read().decode()
        assert process.wait() == 0, error
    assert error == ""


def test_scans_are_no_simulated_matrices(world, tmp_path, capsys) -> None:
    assert main(["plot", str(world.calibration), str(tmp_path / "a.png")]) == 2
    assert "is a scan, not simulated system matrices" in capsys.readouterr().err

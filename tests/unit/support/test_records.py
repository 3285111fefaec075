"""Records of how results were made, and the command that prints them."""

import json
import logging
from collections import UserDict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from smrestore.cli import main
from smrestore.support.errors import InputError
from smrestore.support.records import chain, read_record, record_path, write_records
from smrestore.support.workflow import job


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which two jobs have made a pool, and a table from it."""
    monkeypatch.chdir(tmp_path)
    for name in ("results/noise", "results/tables"):
        Path(name).mkdir(parents=True)
    for name, inputs in (("noise/p.h5", ["scan.mdf"]), ("tables/t.csv", ["results/noise/p.h5"])):
        for path in (*map(Path, inputs), Path("results", name)):
            if not path.exists():
                path.write_text(name)
        write_records(
            [f"results/{name}"],
            inputs,
            rule=name[:5],
            wildcards={"name": "p"},
            settings={"seed": 7, "path": Path("x")},
            started=datetime(2026, 1, 1, tzinfo=UTC),
        )
    return tmp_path / "results"


def states(path: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {str(made.path): (made.state, made.outdated) for made in chain(path)}


@pytest.mark.parametrize("absolute", [False, True])
def test_chain_leads_from_a_result_to_what_nobody_made(results, absolute):
    path = results / "tables/t.csv" if absolute else Path("results/tables/t.csv")
    assert states(path) == {
        "results/tables/t.csv": ("as recorded", ()),
        "results/noise/p.h5": ("as recorded", ()),
        "scan.mdf": ("no record", ()),
    }


def test_chain_is_found_from_another_folder(results, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert len(states(results / "tables/t.csv")) == 3


def test_changed_and_missing_files_are_told(results):
    (results / "noise/p.h5").write_text("other")
    (results.parent / "scan.mdf").unlink()
    assert states(results / "tables/t.csv") == {
        "results/tables/t.csv": ("as recorded", ("results/noise/p.h5",)),
        "results/noise/p.h5": ("changed since", ("scan.mdf",)),
        "scan.mdf": ("missing", ()),
    }


def test_record_says_how_when_where_and_from_what(results):
    record = read_record(results / "noise/p.h5")
    assert record["settings"] == {"seed": 7, "path": "x"}
    assert record["started"].startswith("2026-01-01")
    assert {"finished", "host", "platform", "git_commit", "wildcards"} <= set(record)
    assert {"python", "smrestore", "numpy"} <= set(record["versions"])
    assert record["inputs"][0]["path"] == "scan.mdf"
    assert len(record["inputs"][0]["sha256"]) == len(record["sha256"]) == 64


def test_command_prints_the_chain(results, capsys):
    assert main(["provenance", "results/tables/t.csv"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("results/tables/t.csv: as") < printed.index("results/noise/p.h5: as")
    assert '"seed": 7' in printed
    assert main(["provenance", "--json", "results/tables/t.csv"]) == 0
    assert [r["state"] for r in json.loads(capsys.readouterr().out)][-1] == "no record"


@pytest.mark.parametrize(
    ("text", "fault"), [("{", "no readable record"), ('{"inputs": 1}', "no readable record")]
)
def test_damaged_record_is_named(results, capsys, text, fault):
    record_path(results / "noise/p.h5").write_text(text)
    assert main(["provenance", "results/tables/t.csv"]) == 2
    error = capsys.readouterr().err
    assert f"p.h5.json: {fault}" in error
    assert error.count("\n") == 1


def test_missing_file_is_named(results):
    with pytest.raises(InputError, match="no such file"):
        list(chain(results / "none"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("results/a.h5", "results/provenance/a.h5.json"),
        ("/x/results/y/results/b/a.h5", "/x/results/y/results/provenance/b/a.h5.json"),
        ("a.h5", None),
        ("results", None),
    ],
)
def test_place_of_a_record(path, expected):
    assert record_path(Path(path)) == (expected and Path(expected))


def test_record_that_cannot_be_written_does_not_fail_the_job(results, caplog):
    (results / "provenance/a").write_text("a file in the way of a folder")
    (results / "a").mkdir()
    (results / "a/b").write_text("")
    with caplog.at_level(logging.WARNING):
        write_records(
            [results / "a/b"], [], rule="r", wildcards={}, settings={}, started=datetime.now(UTC)
        )
    assert "no record of how" in caplog.text


@pytest.mark.parametrize("fails", [False, True])
def test_job_leaves_a_record_if_it_ends_well(results, fails):
    task = SimpleNamespace(
        rule="r",
        log=["log.txt"],
        threads=1,
        resources={},
        output=["results/o.csv"],
        input=["scan.mdf", "scan.mdf"],
        params=UserDict(seed=1),
        wildcards=UserDict(),
    )

    def work() -> None:
        with job(task):
            Path("results/o.csv").write_text("1")
            if fails:
                raise InputError("wrong")

    if fails:
        with pytest.raises(SystemExit):
            work()
        assert read_record(Path("results/o.csv")) == {}
    else:
        work()
        assert [entry["path"] for entry in read_record(Path("results/o.csv"))["inputs"]] == [
            "scan.mdf"
        ]

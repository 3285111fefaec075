"""Notebooks of the documentation run."""

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[3] / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    stored = [len(cell.get("outputs", ())) for cell in notebook.cells]
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    # As many outputs as are shown in the documentation, none of them an error or a warning.
    outputs = [cell.get("outputs", ()) for cell in notebook.cells]
    assert [len(of_cell) for of_cell in outputs] == stored
    assert not any(output.get("name") == "stderr" for of_cell in outputs for output in of_cell)
    assert str(tmp_path) not in path.read_text()

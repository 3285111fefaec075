"""``smrestore simulate``: simulate complete system matrices."""

from pathlib import Path

from cyclopts.types import PositiveInt

from smrestore.support.choices import Evaluator
from smrestore.support.errors import InputError


def simulate(
    cases: Path,
    output: Path,
    /,
    *,
    evaluator: Evaluator = "table",
    threads: PositiveInt | None = None,
    transfer_function: Path | None = None,
) -> None:
    """Simulate complete system matrices of small grids.

    They have all receive channels and frequencies. docs/data-formats.md describes both files.

    Parameters
    ----------
    cases
        JSON file with a list of cases.
    output
        HDF5 file to write.
    evaluator
        How the mean moment is computed; quadrature is the slow reference.
    threads
        Threads; all cores if left out.
    transfer_function
        MDF file with the transfer function that the system matrices are multiplied by.
    """
    from smrestore.physics.parameters import read_json_cases
    from smrestore.simulation.batches import Resources, simulate_full
    from smrestore.support.files import check_separate

    check_separate(output, cases, transfer_function)
    resources = Resources(evaluator=evaluator, threads=threads)
    setups, transfer = read_json_cases(cases), None
    if transfer_function is not None:
        transfer = _read_transfer_function(transfer_function)
    simulate_full(setups, output, resources, transfer)


def _read_transfer_function(path: Path) -> object:
    """Return the transfer function of a scan, complex128 (C, K)."""
    from smrestore.mdf import open_mdf

    with open_mdf(path) as scan:
        if scan.transfer_function is None:
            raise InputError(
                "no transfer function inside",
                path=path,
                field="/acquisition/receiver/transferFunction",
                remedy="give a scan with one",
            )
        return scan.transfer_function

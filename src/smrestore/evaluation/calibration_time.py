"""How long calibrations take, and the time that restoring one saves.

A position takes its averages times the cycle of the sequence, and what the robot needs if that is
given. Background frames are not counted.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from smrestore import mdf
from smrestore.mdf.system_matrix import calibration_of
from smrestore.support.files import atomic_path

STUDY_SIZE = (19, 19, 19)
STUDY_CYCLE = math.lcm(102, 96, 99) / 2.5e6
STUDY_AVERAGES = 100
"""Not stated by the study. With this number and no robot time, its scan takes 4.1 h, as stated."""


@dataclass(frozen=True)
class Calibration:
    """A calibration scan as it was, or would be, measured.

    Attributes
    ----------
    size
        Positions along each axis.
    averages
        Of each position, all periods of a frame included.
    cycle, robot_time
        In s; the second is that of moving the sample, for each position.
    """

    size: tuple[int, ...]
    averages: int
    cycle: float
    robot_time: float = 0.0

    @property
    def positions(self) -> int:
        """Number of positions."""
        return math.prod(self.size)

    @property
    def seconds(self) -> float:
        """Time of all positions in s."""
        return self.positions * (self.averages * self.cycle + self.robot_time)

    def every(self, factor: int) -> "Calibration":
        """Return the same on every ``factor``-th position along each axis, from the first on."""
        return self.on(tuple(-(-n // factor) for n in self.size))

    def refined(self, factor: int) -> "Calibration":
        """Return the same on the grid of which every ``factor``-th position was measured here."""
        return self.on(tuple(factor * (n - 1) + 1 for n in self.size))

    def on(self, size: tuple[int, ...]) -> "Calibration":
        """Return the same on another grid."""
        return Calibration(size, self.averages, self.cycle, self.robot_time)


STUDY = Calibration(STUDY_SIZE, STUDY_AVERAGES, STUDY_CYCLE)


def read_calibration(path: str | Path, robot_time: float = 0.0) -> Calibration:
    """Return how a calibration scan was measured.

    Raises
    ------
    InputError
        If the file is no calibration scan.
    """
    with mdf.open_mdf(path) as file:
        acquisition = file.acquisition
        return Calibration(
            tuple(calibration_of(file).size),
            acquisition.n_averages * acquisition.n_periods,
            acquisition.cycle,
            robot_time,
        )


def tabulate_calibration_times(
    measurements: Sequence[Mapping[str, object]], *, csv: str | Path, markdown: str | Path
) -> None:
    """Write how long each restored calibration took, and how long the one it replaces would take.

    Parameters
    ----------
    measurements
        ``name``, ``task``, ``calibration`` (path), ``robot_time_s``, and what the restored scan
        replaces: ``factor`` with ``decimate`` for a finer grid, or ``reference`` (path) for a scan
        with more averages.
    csv
        Columns: ``measurement``, ``task``, then ``positions``, ``averages`` and ``time_s`` of the
        scan that is restored and, with the prefix ``full_``, of the one it replaces,
        ``robot_time_s`` and ``factor``, the ratio of both times.
    markdown
        The same for readers, with the example of the study by the same count.
    """
    records = [
        {"measurement": entry["name"], "task": entry["task"]} | _record(*_pair(entry))
        for entry in measurements
    ]
    study = _record(STUDY.every(2), STUDY)
    table = pd.DataFrame(records, columns=["measurement", "task", *study])
    with atomic_path(csv) as temporary:
        table.to_csv(temporary, index=False)
    shown = [*records, {"measurement": "the study's", "task": "accelerated-calibration"} | study]
    text = pd.DataFrame([_readable(record) for record in shown]).to_markdown(
        index=False, disable_numparse=True
    )
    page = "\n\n".join(
        ["Time of calibration scans, and the time that restoring saves.", text, *_notes()]
    )
    with atomic_path(markdown) as temporary:
        temporary.write_text(page + "\n", encoding="utf-8")


def _pair(entry: Mapping[str, object]) -> tuple[Calibration, Calibration]:
    """Return the scan that is restored and the one that it replaces."""
    robot_time = entry["robot_time_s"]
    measured = read_calibration(entry["calibration"], robot_time)
    if "factor" not in entry:
        return measured, read_calibration(entry["reference"], robot_time)
    if entry["decimate"]:
        return measured.every(entry["factor"]), measured
    return measured, measured.refined(entry["factor"])


def _record(measured: Calibration, full: Calibration) -> dict[str, object]:
    return {
        "positions": measured.positions,
        "averages": measured.averages,
        "time_s": measured.seconds,
        "full_positions": full.positions,
        "full_averages": full.averages,
        "full_time_s": full.seconds,
        "robot_time_s": measured.robot_time,
        "factor": full.seconds / measured.seconds,
    }


def _readable(record: Mapping[str, object]) -> dict[str, str]:
    return {
        "scan": record["measurement"],
        "task": record["task"],
        "measured": size_for_readers(record["positions"], record["averages"]),
        "takes": duration(record["time_s"]),
        "instead of": size_for_readers(record["full_positions"], record["full_averages"]),
        "which takes": duration(record["full_time_s"]),
        "saved": duration(record["full_time_s"] - record["time_s"]),
        "factor": f"{record['factor']:.2f}",
        "robot time per position": f"{record['robot_time_s']:g} s",
    }


def size_for_readers(positions: int, averages: int) -> str:
    """Return the size of a scan, for readers."""
    return (
        f"{positions} position{'s' * (positions != 1)}, {averages} average{'s' * (averages != 1)}"
    )


def _notes() -> list[str]:
    return [
        "A position takes its averages times the cycle of the sequence, and the robot time if one "
        "is configured (robot_time_s of the measurement). Background frames are not counted, and "
        "virtual scanners have no robot.",
        f"The study gives 4.1 h for all {STUDY.positions} positions of its scan, which are "
        f"{STUDY_AVERAGES} averages of {1e3 * STUDY_CYCLE:.2f} ms each without robot time (it does "
        "not state the averages), and 31 min for every second voxel along each axis. From the "
        f"first index on these are {STUDY.every(2).positions} positions, which take "
        f"{duration(STUDY.every(2).seconds)} by the same count; 31 min are an eighth of 4.1 h.",
    ]


def duration(seconds: float) -> str:
    """Return a time for readers, in the unit that suits it."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"

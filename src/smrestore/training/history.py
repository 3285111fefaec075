"""The course of a training: one row per interval, as CSV and for TensorBoard."""

import csv
import logging
import shutil
import time
from pathlib import Path

from lightning_fabric.loggers import TensorBoardLogger

from smrestore.support.files import atomic_path

logger = logging.getLogger(__name__)

TENSORBOARD = "tensorboard"


class History:
    """Rows of metrics, which are written after each interval and kept in checkpoints."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._elapsed = 0.0
        self._started = time.monotonic()
        self._tensorboard: TensorBoardLogger | None = None

    def state(self) -> dict:
        """Return the rows so far and the time they took."""
        return {"rows": self.rows, "elapsed": self.elapsed()}

    def restore(self, state: dict) -> None:
        """Continue after the rows of a checkpoint."""
        self.rows, self._elapsed = state["rows"], state["elapsed"]
        self._started = time.monotonic()

    def elapsed(self) -> float:
        """Return the time of the training in seconds, without steps that were lost."""
        return self._elapsed + time.monotonic() - self._started

    def add(self, row: dict[str, float]) -> None:
        """Add a row with the elapsed time, and write all rows."""
        row["elapsed_s"] = round(self.elapsed(), 1)
        self.rows.append(row)
        with atomic_path(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerows(self.rows)
        if self._tensorboard is None:
            folder = self.path.parent / TENSORBOARD
            if len(self.rows) == 1:
                shutil.rmtree(folder, ignore_errors=True)
            self._tensorboard = TensorBoardLogger(self.path.parent, name=TENSORBOARD, version="")
        self._tensorboard.log_metrics(
            {name: value for name, value in row.items() if name != "step"}, int(row["step"])
        )
        self._tensorboard.save()

    def close(self) -> None:
        """Finish the files of TensorBoard."""
        if self._tensorboard is not None:
            self._tensorboard.finalize("success")

    def best(self) -> dict[str, float]:
        """Return the first row with the best validation PSNR."""
        return max(self.rows, key=lambda row: row["validation_psnr_dB"])

    def intervals_since_best(self) -> int:
        """Return how many rows follow the best one."""
        return len(self.rows) - 1 - self.rows.index(self.best())

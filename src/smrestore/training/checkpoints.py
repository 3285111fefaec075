"""Checkpoints of a training. They are complete, checked when read, and the last few are kept."""

import hashlib
import logging
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from smrestore.support.files import raise_if_full

logger = logging.getLogger(__name__)

KEPT = 2
_NAME = re.compile(r"(\d{9})-([0-9a-f]{16})\.ckpt")
_MARK = "fingerprint"


@dataclass(frozen=True)
class Checkpoints:
    """The states of one training in a folder, named by their step and the hash of their content.

    Attributes
    ----------
    folder
        Where they are. It is made when the first one is saved.
    fingerprint
        What identifies the training. Checkpoints of another training are never read.
    """

    folder: Path
    fingerprint: str

    def save(self, step: int, state: dict) -> None:
        """Write the state after ``step`` steps, and remove all but the last few.

        Raises
        ------
        InputError
            If the disk or the quota is full.
        """
        self._claim()
        temporary = self.folder / "unfinished.pt"
        try:
            torch.save(state, temporary)
            temporary.replace(self.folder / f"{step:09d}-{_digest(temporary)}.ckpt")
        except (OSError, RuntimeError) as error:
            raise_if_full(error, self.folder)
            raise
        finally:
            temporary.unlink(missing_ok=True)
        for _, old in self._found()[:-KEPT]:
            old.unlink()

    def load(self) -> dict | None:
        """Return the last intact state, or None if there is none.

        Tensors are on the CPU. A damaged file gives a warning and is skipped.
        """
        mark = self.folder / _MARK
        if not mark.exists() or mark.read_text() != self.fingerprint:
            if self._found():
                logger.warning(
                    "%s: the checkpoints are of another recipe, data or code: starting anew",
                    self.folder,
                )
            return None
        for expected, path in reversed(self._found()):
            if _digest(path) == expected:
                return torch.load(path, map_location="cpu", weights_only=True)
            message = f"{path}: damaged; going back to the checkpoint before it"
            warnings.warn(message, stacklevel=2)
            path.unlink()
        return None

    def remove(self) -> None:
        """Remove the folder, after the end of the training."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _claim(self) -> None:
        """Take the folder for this training, and remove what another one left in it."""
        mark = self.folder / _MARK
        if not mark.exists() or mark.read_text() != self.fingerprint:
            self.remove()
            self.folder.mkdir(parents=True)
            mark.write_text(self.fingerprint)

    def _found(self) -> list[tuple[str, Path]]:
        """Return hash and path of the checkpoints in the order of their steps."""
        names = sorted(path.name for path in self.folder.glob("*.ckpt"))
        found = [match for match in map(_NAME.fullmatch, names) if match]
        return [(match[2], self.folder / match[0]) for match in found]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]

"""Progress of long work: a bar on terminals, a line now and then in logs."""

import logging
import sys

from tqdm import tqdm

logger = logging.getLogger(__name__)

LOG_INTERVAL = 30.0
"""Seconds between two lines in a log, and before the first one."""


class progress_bar(tqdm):  # noqa: N801 - used like the function tqdm
    """``tqdm`` that writes lines to the log where stderr is no terminal."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self.logs = not sys.stderr.isatty()
        if self.logs:
            interval = LOG_INTERVAL
            options |= {"mininterval": interval, "maxinterval": interval, "delay": interval}
            options |= {"leave": False, "ncols": 80, "ascii": True}
        super().__init__(*arguments, **{"dynamic_ncols": True, **options})

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show the state; an empty message clears a bar."""
        if not self.logs:
            super().display(msg, pos)
        elif msg is None:
            logger.info("%s", self)

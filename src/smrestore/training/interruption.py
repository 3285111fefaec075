"""Signals that ask a training to stop, such as Slurm's before a time limit."""

import contextlib
import logging
import signal
from collections.abc import Iterator

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Whether a signal has asked to stop. It stays true from then on."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def __call__(self, number: int, _frame: object) -> None:
        """Note a signal. Further ones change nothing: groups of processes often get several."""
        self.signal = signal.Signals(number)


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Note SIGTERM and SIGUSR1 while the block runs, instead of ending the process."""
    request = StopRequest()
    former = {number: signal.signal(number, request) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

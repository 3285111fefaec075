"""What a claim states, and what it takes to support it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from smrestore.metrics import ConfidenceInterval
from smrestore.support.errors import InputError

AHEAD, EQUAL, BY_SIZE, BY_NOISE = "ahead", "equal", "grows-with-size", "grows-with-noise"
SUPPORTED, NOT_SUPPORTED = "supported", "not supported"
NOT_DECIDED, NOT_RUN = "not decided", "not run"


@dataclass(frozen=True)
class Claim:
    """One statement and the comparisons it consists of, in the words of the published table.

    Attributes
    ----------
    name, claim
        Short name, and one sentence.
    where
        ``table`` (number) and ``dimension``, with ``scales`` where the table has some; or ``scan``
        (task) and ``dimension``.
    metric
        ``psnr`` in dB or ``ssim``.
    better, than
        Each method of the first is compared with each of the second.
    expect
        ``ahead``: the first is ahead by more than ``by``; ``equal``: both agree within ``by``;
        ``grows-with-size`` and ``grows-with-noise``: the lead in the largest size range, or at the
        last noise level, exceeds that in the smallest, or at the first, by more than ``by``.
    by
        In units of the metric.
    sigma
        Noise levels of a table.
    """

    name: str
    claim: str
    where: Mapping[str, object]
    metric: str
    better: tuple[str, ...]
    than: tuple[str, ...]
    expect: str
    by: float
    sigma: tuple[float, ...] = ()

    def verdict(self, difference: ConfidenceInterval) -> str:
        """Return whether an interval of the difference supports this."""
        mean, half, _ = difference
        if np.isnan(mean) or np.isnan(half):
            return NOT_DECIDED
        if self.expect == EQUAL:
            supported, refuted = abs(mean) + half <= self.by, abs(mean) - half > self.by
        else:
            supported, refuted = mean - half > self.by, mean + half <= self.by
        return SUPPORTED if supported else NOT_SUPPORTED if refuted else NOT_DECIDED


def read_claims(path: str | Path) -> list[Claim]:
    """Read claims from YAML: name -> fields of :class:`Claim`.

    Raises
    ------
    InputError
        If the file is no such YAML, or a claim lacks a field, has another one, or expects something
        unknown.
    """
    try:
        entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        claims = [Claim(name=name, **_tuples(fields)) for name, fields in entries.items()]
    except (OSError, yaml.YAMLError, TypeError, AttributeError) as error:
        raise InputError(f"no claims ({error})", path=path, remedy="restore the file") from None
    for claim in claims:
        kinds = ({"table", "dimension"}, {"table", "dimension", "scales"}, {"scan", "dimension"})
        faults = {
            "expect": claim.expect not in (AHEAD, EQUAL, BY_SIZE, BY_NOISE),
            "where": set(claim.where) not in kinds,
            "sigma": bool(claim.sigma) != ("table" in claim.where)
            or (claim.expect == BY_NOISE and len(claim.sigma) != 2),
        }
        for name, faulty in faults.items():
            if faulty:
                raise InputError(
                    "this cannot be checked",
                    path=path,
                    field=f"{claim.name}.{name}",
                    remedy="see the comment at the top of the file",
                )
    return claims


def _tuples(fields: Mapping[str, object]) -> dict[str, object]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


def overall(verdicts: Sequence[str]) -> str:
    """Return the verdict on a claim: it needs all of its comparisons."""
    for verdict in (NOT_SUPPORTED, NOT_DECIDED):
        if verdict in verdicts:
            return verdict
    return SUPPORTED if verdicts else NOT_RUN

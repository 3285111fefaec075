"""The verdicts on all claims, as a table of comparisons and as a page for readers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from smrestore.evaluation.claims.comparison import ComparedSet, compare_claim
from smrestore.evaluation.claims.statements import (
    AHEAD,
    BY_NOISE,
    BY_SIZE,
    EQUAL,
    NOT_DECIDED,
    NOT_RUN,
    NOT_SUPPORTED,
    SUPPORTED,
    Claim,
    overall,
    read_claims,
)
from smrestore.evaluation.layout import DIGITS
from smrestore.evaluation.tables import read_evaluations, read_published
from smrestore.metrics import interval_text
from smrestore.support.files import atomic_path


def check_claims(
    evaluations: Sequence[str | Path],
    scores: Mapping[str, Sequence[str | Path]],
    published: str | Path,
    claims: str | Path,
    *,
    tables: Sequence[Mapping[str, object]],
    scans: Sequence[Mapping[str, object]],
    training: Mapping[str, Mapping[str, object]],
    labels: Mapping[str, str],
    csv: str | Path,
    markdown: str | Path,
) -> None:
    """Check all claims and write a row per comparison, and a page for readers.

    Parameters
    ----------
    evaluations
        Evaluation rows of the test sets of all tables.
    scores
        Scores of the components of each calibration scan with known truth, by measurement.
    published, claims
        Published values, and the claims, see :func:`read_claims`.
    tables
        ``number``, ``dimension``, ``test_set``, ``published`` (names) and ``size_ranges`` for each
        test set of each table.
    scans
        ``measurement``, ``task``, ``dimension`` and ``published`` for each calibration scan.
    training
        ``matrices`` and ``steps`` of each network.
    labels
        Names of methods for readers.
    csv
        Columns: ``claim``, ``test_set`` (or measurement), ``better``, ``than``, ``sigma``,
        ``size_range``, ``metric``, ``expect``, ``by``, ``difference``, ``ci95``, ``n``,
        ``matrices``, ``paper_difference``, ``paper_ci95``, ``verdict``. A claim that was not run
        has one row with its name and this verdict.
    markdown
        Verdicts with the scale of the run, and the comparisons behind them.
    """
    values, statements = read_published(published), read_claims(claims)
    rows = read_evaluations(evaluations)
    sets = [
        ComparedSet(
            entry["test_set"],
            rows[rows["test_set"] == entry["test_set"]],
            {"table": entry["number"], "dimension": entry["dimension"]},
            entry["published"],
            entry["size_ranges"],
        )
        for entry in tables
    ]
    sets += [
        ComparedSet(
            entry["measurement"],
            read_evaluations(scores[entry["measurement"]]),
            {"scan": entry["task"], "dimension": entry["dimension"]},
            entry["published"],
        )
        for entry in scans
    ]
    found = {claim.name: compare_claim(claim, sets, values) for claim in statements}
    table = pd.DataFrame(
        [
            record
            for name, (records, _, _) in found.items()
            for record in records or [{"claim": name, "verdict": NOT_RUN}]
        ]
    )
    with atomic_path(csv) as temporary:
        table.to_csv(temporary, index=False)
    text = _page(statements, found, training, labels)
    with atomic_path(markdown) as temporary:
        temporary.write_text(text, encoding="utf-8")


NOTES = (
    "A claim is supported if the 95 % confidence interval of every difference lies beyond the "
    "threshold, not supported if that of any lies on its other side, and not decided if one holds "
    "the threshold or is unknown; not run if this run lacks the test set, a method or grids of "
    "several sizes. Differences are those of the same degraded components, first method minus "
    "second. Their intervals take matrices as independent and the components of a matrix as not. "
    "There is no correction for the number of comparisons.",
    "On calibration scans components count as independent, and the verdict is on this one scanner "
    "and tracer.",
)


def _page(
    claims: Sequence[Claim],
    found: Mapping[str, tuple[list[dict], int, int]],
    training: Mapping[str, Mapping[str, object]],
    labels: Mapping[str, str],
) -> str:
    summary, details = [], []
    for claim in claims:
        records, made, total = found[claim.name]
        summary.append(
            {
                "claim of the study": claim.claim,
                "this run": overall([record["verdict"] for record in records]),
                "comparisons made": f"{made} of {total}",
                "scale of this run": _scale(records, training, labels),
            }
        )
        details += [_readable(claim, record, labels) for record in records]
    verdicts = [row["this run"] for row in summary]
    counts = [f"{verdicts.count(v)} {v}" for v in (SUPPORTED, NOT_SUPPORTED, NOT_DECIDED, NOT_RUN)]
    parts = [
        "Claims of the study, checked with the numbers of this run at its scale: "
        f"{', '.join(counts)}."
    ]
    parts.append(pd.DataFrame(summary).to_markdown(index=False, disable_numparse=True))
    if details:
        parts.append("**Comparisons**")
        parts.append(pd.DataFrame(details).to_markdown(index=False, disable_numparse=True))
    return "\n\n".join([*parts, *NOTES]) + "\n"


def _scale(
    records: Sequence[Mapping[str, object]],
    training: Mapping[str, Mapping[str, object]],
    labels: Mapping[str, str],
) -> str:
    """Return how much test data and training the comparisons of a claim rest on."""
    tested = {r["test_set"]: (r["matrices"], r["n"]) for r in records}
    parts = [
        f"{name}: {n} components of {matrices} {'matrix' if matrices == 1 else 'matrices'}"
        for name, (matrices, n) in tested.items()
    ]
    trained: dict[tuple, dict[str, None]] = {}
    for method in (m for r in records for m in (r["better"], r["than"]) if m in training):
        amount = training[method]["matrices"], training[method]["steps"]
        trained.setdefault(amount, {})[labels[method]] = None
    parts += [
        f"{', '.join(names)} trained on {matrices} matrices for {steps} steps"
        for (matrices, steps), names in trained.items()
    ]
    return "; ".join(parts)


def _interval(mean: float, ci95: float, digits: int) -> str:
    """Return a difference, without interval where there is none, as with a single matrix."""
    return f"{mean:.{digits}f}" if pd.isna(ci95) else interval_text(mean, ci95, digits)


_EXPECTED = {
    AHEAD: "> {:g}",
    EQUAL: "within ± {:g}",
    BY_SIZE: "growth > {:g}",
    BY_NOISE: "growth > {:g}",
}


def _readable(claim: Claim, record: Mapping[str, object], labels: Mapping[str, str]) -> dict:
    digits = DIGITS[record["metric"]]
    unit = " dB" if record["metric"] == "psnr" else ""
    return {
        "claim": claim.name,
        "test set or scan": record["test_set"],
        "methods": f"{labels[record['better']]} − {labels[record['than']]}",
        "σ": "" if pd.isna(record["sigma"]) else record["sigma"],
        "size": record["size_range"],
        "metric": record["metric"].upper(),
        "expected": _EXPECTED[record["expect"]].format(record["by"]) + unit,
        "difference": _interval(record["difference"], record["ci95"], digits),
        "n": record["n"],
        "study": interval_text(record["paper_difference"], record["paper_ci95"], digits),
        "verdict": record["verdict"],
    }

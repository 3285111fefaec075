"""Claims of the study, checked with the numbers of a run.

A claim compares two methods on the same degraded components. It is supported if the 95 % confidence
interval of their mean difference lies where the claim says, not supported if it lies elsewhere, and
not decided if it holds the threshold.
"""

from smrestore.evaluation.claims.comparison import (
    ComparedSet,
    clustered_interval,
    compare_claim,
    paired_differences,
    published_difference,
)
from smrestore.evaluation.claims.page import check_claims
from smrestore.evaluation.claims.statements import Claim, overall, read_claims

__all__ = [
    "Claim",
    "ComparedSet",
    "check_claims",
    "clustered_interval",
    "compare_claim",
    "overall",
    "paired_differences",
    "published_difference",
    "read_claims",
]

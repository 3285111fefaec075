"""Measurements and their realizations."""

from smrestore.planning.measurements import n_variants, users_of, with_realizations

SNAKE = {
    "calibration": "a",
    "realizations": ["a-b"],
    "reference": "r",
    "methods": ["dct-f"],
    "reconstruction": {"sweeps": 1},
}
CONFIG = {
    "scans": {name: {"source": "virtual"} for name in ("a", "a-b", "r")},
    "measurements": {
        "first": SNAKE,
        "second": SNAKE
        | {
            "reference": None,
            "prior": {"measurement": "first", "method": "dct-f"},
            "reconstruction": {"sweeps": 2},
        },
    },
}


def test_realizations_follow_with_priors_of_their_own():
    found = with_realizations(CONFIG)
    assert list(found) == ["first", "first/a-b", "second", "second/a-b"]
    assert found["first/a-b"]["calibration"] == "a-b"
    assert found["second/a-b"]["prior"]["measurement"] == "first/a-b"


def test_priors_are_restored_for_those_that_rest_on_them():
    found = with_realizations(CONFIG)
    assert users_of(found, "first") == [{"sweeps": 1}, {"sweeps": 2}]
    assert users_of(found, "second") == [{"sweeps": 2}]


def test_variants_are_measured_methods_reference_and_truth():
    found = with_realizations(CONFIG)
    assert n_variants(CONFIG, "first", found["first"]) == 4
    assert n_variants(CONFIG, "first/a-b", found["first/a-b"]) == 2

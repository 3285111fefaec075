"""Which components fit on the page."""

import numpy as np


def select_rows(ratio: np.ndarray, count: int) -> np.ndarray:
    """Return rows of a receive channel in ascending order: the strongest, and a cut through others.

    Half of them are the strongest. The others are spread evenly over the ranks of the rest, because
    restoration matters most for weak components.

    Parameters
    ----------
    ratio
        Signal-to-noise ratio of each row, (K,); rows with NaN come last.
    count
        How many, all if there are fewer.

    Returns
    -------
    numpy.ndarray
        Indices of rows, int64 (min(count, K),).
    """
    ranked = np.argsort(-np.nan_to_num(ratio, nan=-1.0, posinf=np.finfo(float).max), kind="stable")
    if len(ranked) <= count:
        return np.arange(len(ranked))
    strongest, rest = np.split(ranked, [(count + 1) // 2])
    places = np.linspace(0, len(rest) - 1, count - len(strongest)).round().astype(int)
    return np.sort(np.concatenate([strongest, rest[places]]))

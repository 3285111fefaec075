"""What a run reduces, or changes otherwise, against the configuration at the scale of the study."""

from collections.abc import Mapping

import pandas as pd

from smrestore.report.page import flatten

WITHOUT_SCALE = ("accelerator", "downloads")
"""Keys that say where and how a job runs, not what it computes."""
COLUMNS = ["entry", "setting", "this run", "study"]


def scale_differences(config: Mapping[str, object], study: Mapping[str, object]) -> pd.DataFrame:
    """Return a row for each setting in which two configurations differ.

    Parameters
    ----------
    config, study
        Complete configurations: that of the run, and that at the scale of the study.

    Returns
    -------
    pd.DataFrame
        Columns ``entry`` (section and name), ``setting``, ``this run`` and ``study``, as text;
        empty where a configuration lacks the setting. In the order of the first configuration.
    """
    ours, theirs = (flatten(_shown(c)) for c in (config, study))
    rows = []
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if ours.get(key) != theirs.get(key):
            section, name, setting = [*key.split(".", 2), "", ""][:3]
            rows.append(
                (
                    f"{section}.{name}" if name else section,
                    setting,
                    ours.get(key, ""),
                    theirs.get(key, ""),
                )
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _shown(config: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in config.items() if key not in WITHOUT_SCALE}

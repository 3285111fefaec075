"""Studies of how few positions of a calibration are enough."""

from typing import Annotated

from smrestore.configuration.entries import Entries, Entry
from smrestore.support.choices import Choice
from smrestore.support.faults import Key
from smrestore.support.settings import Natural, Once, Settings, Text, setting, vector


class PositionStudy(Settings):
    """A measurement, restored from parts of its positions.

    See [fit.md](fit.md#how-few-positions-are-enough).
    """

    measurement: Text = setting(
        ..., "entry of `measurements` with phantom and reconstruction; its scanner is virtual"
    )
    calibrations: Annotated[vector(Text, 1, 1000), Once] = setting(
        ..., "calibration scans of its grid, with other averages or other noise"
    )
    fit: Text = setting(..., "entry of `fits`")
    every: Annotated[vector(Natural, 0, 20), Once] = setting(
        (1, 2, 4), "distances of used voxels along each axis", ours=True
    )
    positions: Annotated[vector(Natural, 0, 50), Once] = setting(
        (100, 50, 30, 20, 10), "numbers of positions", ours=True
    )
    choices: Annotated[vector(Choice, 1, 3), Once] = setting(
        ("spread", "information"), "how that many positions are chosen", ours=True
    )
    networks: Annotated[vector(Text, 0, 10), Once] = setting(
        (), "experiments for accelerated calibration that restore regular parts, one per factor"
    )


def check(entries: Entries, key: Key, entry: Entry) -> None:
    """Check measurement, scans, fit and networks of a study."""
    measurement = entries.refer(
        (*key, "measurement"), entry["measurement"], "measurements", what="measurement"
    )
    entries.refer((*key, "fit"), entry["fit"], "fits", what="fit")
    original = measurement and entries.get("scans", measurement["calibration"])
    for i, name in enumerate(entry["calibrations"]):
        place = (*key, "calibrations", i)
        scan = entries.scan(place, name, "calibration")
        if scan and scan["source"] != "virtual":
            entries.fault(place, "its truth is unknown", "use a virtual scan")
        elif scan and original and scan.get("grid") != original.get("grid"):
            entries.fault(
                place, f"has another grid than {measurement['calibration']!r}", "use the same grid"
            )
    for i, name in enumerate(entry["networks"]):
        place = (*key, "networks", i)
        network = entries.refer(place, name, "experiments", what="experiment")
        if network and network["task"] != "accelerated-calibration":
            entries.fault(
                place,
                f"is trained for {network['task']}",
                "use one for accelerated-calibration",
            )

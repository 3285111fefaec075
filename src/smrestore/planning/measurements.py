"""Measurements and their realizations, and the system matrices that images are made with."""


def with_realizations(config: dict) -> dict[str, dict]:
    """Return all measurements, each followed by its realizations, by names of files."""
    found = {}
    for name, entry in config["measurements"].items():
        found[name] = entry
        for scan in entry["realizations"]:
            again = {**entry, "calibration": scan, "reference": None}
            if "prior" in entry:
                prior = {**entry["prior"], "measurement": f"{entry['prior']['measurement']}/{scan}"}
                again["prior"] = prior
            found[f"{name}/{scan}"] = again
    return found


def users_of(measurements: dict[str, dict], name: str) -> list[dict]:
    """Return the reconstruction settings that choose the components to restore."""
    users = [e for e in measurements.values() if e.get("prior", {}).get("measurement") == name]
    return [entry["reconstruction"] for entry in (measurements[name], *users)]


def n_variants(config: dict, name: str, entry: dict) -> int:
    """Return how many system matrices a measurement is reconstructed with."""
    true = config["scans"][entry.get("truth", entry["calibration"])]
    has_truth = true["source"] == "virtual" and "/" not in name
    return 1 + len(entry["methods"]) + (entry["reference"] is not None) + has_truth

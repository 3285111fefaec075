# What the rules of restoration.smk make, and what they depend on.

RESTORED = [
    f"results/restored/{measurement}/{method}.mdf"
    for measurement, entry in MEASUREMENTS.items()
    for method in entry["methods"]
]


def get_calibration(wildcards):
    return f"results/scans/{MEASUREMENTS[wildcards.measurement]['calibration']}.mdf"


def scan_to_restore(measurement):
    """Return the calibration as it was measured, or as another measurement restored it."""
    entry = MEASUREMENTS[measurement]
    prior = entry.get("prior")
    if prior:
        return matrix_of(prior["measurement"], prior["method"])
    return matrix_of(measurement, "measured")


def get_scan_to_restore(wildcards):
    return scan_to_restore(wildcards.measurement)


def scan_task_of(measurement):
    """Return the task of a measurement with what it needs to know."""
    entry = MEASUREMENTS[measurement]
    keys = ("task", "factor", "decimate", "missing")
    return {key: entry[key] for key in keys if key in entry}


def get_scan_task(wildcards):
    return scan_task_of(wildcards.measurement)


def get_rows_to_restore(wildcards):
    """Return the settings that choose the components to restore, None to restore all.

    Those are scored, and reconstructed with, here or where this is the prior. Of a realization,
    nothing else is looked at.
    """
    name = wildcards.measurement
    if config["measurements"].get(name, {"restore": "needed"})["restore"] == "all":
        return None
    users = [e for e in MEASUREMENTS.values() if e.get("prior", {}).get("measurement") == name]
    return [entry["reconstruction"] for entry in (MEASUREMENTS[name], *users)]


def reading_of(measurement):
    """Return how the calibrations of a measurement are read."""
    reconstruction = MEASUREMENTS[measurement]["reconstruction"]
    return {key: reconstruction[key] for key in ("background", "spectral_leakage")}


def mask_of(measurement):
    """Return the file that says which positions are missing, nothing if the configuration does."""
    missing = MEASUREMENTS[measurement].get("missing", {})
    return [missing["file"]] if "file" in missing else []


def get_mask(wildcards):
    return mask_of(wildcards.measurement)


def get_fit(wildcards):
    """Return the fit that a method uses."""
    return f"results/fits/{wildcards.measurement}/{FITTED[wildcards.method]['fit']}.json"


def get_background_factor(wildcards):
    """Return the factor of the background noise that classical methods are told; None of networks."""
    if wildcards.method not in DENOISED and single_method(wildcards.method) in config["baselines"]:
        return MEASUREMENTS[wildcards.measurement]["baseline_sigma_factor"]
    return None

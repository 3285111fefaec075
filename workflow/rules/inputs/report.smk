# What the rules of report.smk depend on.

# Scans that something rests on, in the order of the configuration.
USED_SCANS = [
    f"results/scans/{scan}.mdf"
    for scan in config["scans"]
    if any(scan in entry.get("scans", []) for entry in config["noise_pools"].values())
    or any(
        scan == entry.get(key)
        for entry in MEASUREMENTS.values()
        for key in ("calibration", "reference", "truth", "phantom", "empty")
    )
]

# What the rules of reconstruction.smk make, and what they depend on.

RECONSTRUCTIONS = [f"results/reconstructions/{measurement}.h5" for measurement in MEASUREMENTS]


def get_matrices(wildcards):
    """Return the system matrices that a measurement is reconstructed with."""
    name = wildcards.measurement
    return [matrix_of(name, variant) for variant in variants(name)]


def get_variants(wildcards):
    """Return their names, those for readers, and how they are used where it is not as usual."""
    name = wildcards.measurement
    found = []
    for variant in variants(name):
        entry = FITTED.get(variant, {})
        found.append({"name": variant, "label": variant_label(name, variant)})
        if entry.get("own_rows"):
            found[-1]["own_rows"] = True
        if entry.get("refinement", 1) > 1:
            found[-1]["same_grid"] = False
    return found


def measurement_of(wildcards):
    return MEASUREMENTS[wildcards.measurement]


def get_phantom_empty(wildcards):
    """Return the empty scan that is subtracted from a phantom scan, nothing if there is none."""
    empty = measurement_of(wildcards).get("empty")
    return [f"results/scans/{empty}.mdf"] if empty else []


def get_images(wildcards):
    """Return the images of a measurement and its realizations."""
    names = with_repetitions(wildcards.measurement)
    return [f"results/reconstructions/{name}.h5" for name in names]


def scores_of(measurement):
    """Return the component scores of a measurement and its realizations; without truth there are none."""
    return [
        f"results/reconstructions/{name}.csv"
        for name in with_repetitions(measurement)
        if has_truth(true_scan(name))
    ]


def true_scan(measurement):
    """Return the calibration scan whose truth is that of a measurement."""
    entry = MEASUREMENTS[measurement]
    return entry.get("truth", entry["calibration"])


def variants(measurement):
    """Return all system matrices that a measurement is reconstructed with, worst first."""
    entry = MEASUREMENTS[measurement]
    is_repetition = measurement not in config["measurements"]
    return [
        "measured",
        *entry["methods"],
        *(["reference"] if entry["reference"] else []),
        *(["truth"] if has_truth(true_scan(measurement)) and not is_repetition else []),
    ]


def matrix_of(measurement, variant):
    """Return the file of one of these system matrices."""
    entry = MEASUREMENTS[measurement]
    if variant == "truth":
        return truth_of(true_scan(measurement))[0]
    return {
        "measured": f"results/scans/{entry['calibration']}.mdf",
        "reference": f"results/scans/{entry['reference']}.mdf",
    }.get(variant, f"results/restored/{measurement}/{variant}.mdf")


def variant_label(measurement, variant):
    """Return the name of a system matrix for readers, with its averages where they are known."""
    entry = MEASUREMENTS[measurement]
    if variant in METHODS:
        return label(variant)
    if variant == "truth":
        return "Truth"
    scan = config["scans"][entry["calibration" if variant == "measured" else "reference"]]
    if "averages" not in scan:
        return variant.capitalize()
    count = scan["averages"]
    return f"{variant.capitalize()} ({count} average{'s' if count != 1 else ''})"


def with_repetitions(measurement):
    """Return the names of a measurement and of its realizations."""
    return [measurement, *REPETITIONS[measurement]]

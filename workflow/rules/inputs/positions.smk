# What the rules of positions.smk depend on.


def study_measurement(study):
    return config["measurements"][config["position_studies"][study]["measurement"]]


def get_study_phantom(wildcards):
    return f"results/scans/{study_measurement(wildcards.study)['phantom']}.mdf"


def get_study_concentration(wildcards):
    return truth_of(study_measurement(wildcards.study)["phantom"])


def get_study_networks(wildcards):
    """Return the weights of the networks that restore regular parts."""
    networks = config["position_studies"][wildcards.study]["networks"]
    return [path for name in networks for path in model_of(name)]


def get_study_settings(wildcards):
    """Return what is studied, with the factors of networks and the names for readers."""
    entry = config["position_studies"][wildcards.study]
    networks = [config["experiments"][name] for name in entry["networks"]]
    uses = {method["use"]: method["label"] for method in reversed(FITTED.values())}
    return {
        "every": entry["every"],
        "positions": entry["positions"],
        "choices": entry["choices"],
        "fit": config["fits"][entry["fit"]],
        "reconstruction": study_measurement(wildcards.study)["reconstruction"],
        "factors": [network["degradation"]["factor"] for network in networks],
        "labels": {
            "spline": "Tricubic",
            "network": networks[0]["label"] if networks else "Network",
            "model": uses.get("model", "Model"),
            "model-and-measurement": uses.get("model-and-measurement", "Model and measurement"),
        },
    }


def get_studied_scans(wildcards):
    scans = config["position_studies"][wildcards.study]["calibrations"]
    return [f"results/positions/{wildcards.study}/{scan}.csv" for scan in scans]

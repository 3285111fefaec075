"""Which jobs each target plans from nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from plans import CI, pending, rules

from checkout import ROOT
from smrestore.configuration import load_configuration

SIMULATION = {"sample_parameters", "simulate_batch"}
SCANS = {"scan_empty", "scan_calibration", "repeat_calibration", "scan_phantom"}
# Scans and pools of 3D sequences hold the frequencies of simulated components.
POOLS = SIMULATION | {"scan_empty", "build_noise_pool"}
TRAINING = POOLS | {"train_network"}
EVALUATION = TRAINING | {"use_shipped_network", "evaluate_method"}
RESTORATION = TRAINING | {
    "use_shipped_network",
    *("scan_calibration", "repeat_calibration"),
    *("restore_scan", "fit_scan", "restore_by_fit"),
}
RECONSTRUCTION = RESTORATION | {"scan_phantom", "reconstruct_scan"}
TABLES = (
    EVALUATION
    | RECONSTRUCTION
    | {"make_table", "make_transfer_table", "make_twin_table"}
    | {"check_claims", "tabulate_calibration_times"}
    | {"study_positions", "tabulate_positions"}
)
FIGURES = RECONSTRUCTION | {
    *("study_positions", "tabulate_positions", "plot_positions"),
    "plot_training_curve",
    *(f"plot_figure{number}" for number in range(1, 7)),
    "plot_transfer",
    "evaluate_method",
}
TARGETS = {
    "parameters": {"sample_parameters"},
    "simulate": SIMULATION,
    "scans": SCANS | SIMULATION,
    "noise": POOLS | {"plot_noise_pool"},
    "train": TRAINING | {"plot_training_curve"},
    "evaluate": EVALUATION,
    "tables": TABLES,
    "restore": RESTORATION,
    "reconstruct": RECONSTRUCTION,
    "figures": FIGURES,
    "all": TABLES | FIGURES | {"plot_noise_pool", "write_report"},
}


@pytest.fixture(scope="module")
def plans(empty_checkout, tmp_path_factory):
    """Folder and jobs of each target, two at a time because each start takes seconds."""
    folders = {target: tmp_path_factory.mktemp(target) for target in TARGETS}
    with ThreadPoolExecutor(2) as pool:
        jobs = pool.map(
            lambda target: pending(empty_checkout, target, "--directory", folders[target]), TARGETS
        )
        return dict(zip(TARGETS, zip(folders.values(), jobs, strict=True), strict=True))


@pytest.mark.parametrize("target", TARGETS)
def test_target_plans_exactly_its_stages(plans, target):
    folder, jobs = plans[target]
    assert rules(jobs) == TARGETS[target]
    assert not [path for path in folder.iterdir() if path.name != ".snakemake"]


def planned(jobs, *names):
    """Return the wildcards of the jobs of some rules."""
    return {wildcards for rule, wildcards in jobs if rule in names}


def assert_whole_study(jobs, config):
    """Check that every entry of a configuration has its jobs."""
    for rule, section in (
        ("build_noise_pool", "noise_pools"),
        ("train_network", "experiments"),
        ("plot_training_curve", "experiments"),
        ("make_table", "tables"),
        ("make_transfer_table", "measurements"),
    ):
        assert planned(jobs, rule) == set(config[section])
    evaluations = {f"{s}/{m}" for s, entry in config["test_sets"].items() for m in entry["methods"]}
    assert planned(jobs, "evaluate_method") == evaluations
    restored = {f"{s}/{m}" for s, entry in config["measurements"].items() for m in entry["methods"]}
    assert planned(jobs, "restore_scan", "restore_by_fit") >= restored
    assert planned(jobs, "reconstruct_scan") > set(config["measurements"])
    for name, dataset in config["datasets"].items():
        batches = {
            f"{name}/{split}/{batch:03d}"
            for split, count in dataset["matrices"].items()
            for batch in range(-(-count // dataset["batch_size"]))
        }
        assert {w for w in planned(jobs, "simulate_batch") if w.startswith(f"{name}/")} == batches


@pytest.mark.parametrize("overlays", [[], ["config/paper.yaml"]], ids=["default", "paper"])
def test_configuration_plans_the_whole_study(empty_checkout, tmp_path, overlays):
    jobs = pending(empty_checkout, "--directory", tmp_path, configfiles=overlays)
    assert_whole_study(jobs, load_configuration(ROOT / name for name in ["config.yaml", *overlays]))


def test_small_run_plans_the_whole_study(plans):
    config = load_configuration([ROOT / "config.yaml", ROOT / CI])
    _, jobs = plans["all"]
    assert_whole_study(jobs, config)
    scans = {f"{name}" for name, scan in config["scans"].items()}
    assert planned(plans["scans"][1], *SCANS) == scans
    assert planned(plans["restore"][1], "scan_phantom") == set()

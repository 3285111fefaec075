"""What is repeated after a change, and what is left alone."""

import os

import pytest
from plans import CI, edited, pending, rules, write_overlay

from checkout import ROOT
from smrestore.configuration import load_configuration

MEASUREMENT_FIGURES = {f"plot_figure{number}" for number in (3, 4, 5, 6)}
FOLLOWS_SCORES = {
    "make_transfer_table",
    "make_twin_table",
    "check_claims",
    "plot_transfer",
    "write_report",
}
FOLLOWS_RECONSTRUCTION = {"reconstruct_scan"} | MEASUREMENT_FIGURES | FOLLOWS_SCORES
FOLLOWS_EVALUATION = {
    "make_table",
    "make_twin_table",
    "check_claims",
    "plot_transfer",
    "write_report",
}
FITS = {"fit_scan", "restore_by_fit"}
POSITIONS = {"study_positions", "tabulate_positions", "plot_positions"}
FOLLOWS_TRAINING = (
    {"plot_training_curve", "evaluate_method", "restore_scan"}
    | POSITIONS
    | FOLLOWS_EVALUATION
    | FOLLOWS_RECONSTRUCTION
)
# Phantoms are drawn by what scans them.
SCANNING = {
    "scan_empty",
    "scan_calibration",
    "repeat_calibration",
    "scan_phantom",
    "plot_figure2",
}
SIMULATION = {"sample_parameters", "simulate_batch", "plot_figure1"}
NOISE = {"build_noise_pool", "plot_noise_pool"}
# The time of calibrations is in their files.
FOLLOWS_SCANS = {"tabulate_calibration_times"}
EVERYTHING = (
    SIMULATION | SCANNING | NOISE | FITS | FOLLOWS_SCANS | {"train_network"} | FOLLOWS_TRAINING
)


def replanned(checkout, tmp_path, settings, *targets):
    """Return the jobs that a change of the configuration causes."""
    overlay = write_overlay(tmp_path / "overlay.yaml", settings)
    return pending(checkout, *targets, configfiles=[CI, overlay])


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("figures/figure1.py", {"plot_figure1", "write_report"}),
        ("figures/measurement/drawing.py", MEASUREMENT_FIGURES | {"write_report"}),
        (
            "figures/style.py",
            MEASUREMENT_FIGURES
            | {
                "plot_figure1",
                "plot_figure2",
                "plot_training_curve",
                "plot_noise_pool",
                "plot_transfer",
                "plot_positions",
                "write_report",
            },
        ),
        ("report/page.py", {"write_report"}),
        ("evaluation/claims/page.py", {"check_claims", "write_report"}),
        # Trainings have metrics of their own, on tensors.
        (
            "metrics.py",
            {"evaluate_method"} | POSITIONS | FOLLOWS_EVALUATION | FOLLOWS_RECONSTRUCTION,
        ),
        ("evaluation/scores.py", {"evaluate_method"} | FOLLOWS_EVALUATION),
        # The rows of a reconstruction are those that further scans of a setting restore.
        (
            "reconstruction/solver.py",
            {"restore_scan"} | FITS | POSITIONS | FOLLOWS_RECONSTRUCTION,
        ),
        ("networks/dncnn.py", {"train_network"} | FOLLOWS_TRAINING),
        ("training/objective.py", {"train_network"} | FOLLOWS_TRAINING),
        ("scanner/signal.py", EVERYTHING - SIMULATION),
        ("mdf/file.py", EVERYTHING - SIMULATION),
        ("physics/moment.py", EVERYTHING),
        ("configuration/scans.py", {"write_report"}),
    ],
)
def test_code_reruns_what_uses_it(finished, module, expected):
    with edited(finished / "src/smrestore" / module, edit=lambda text: text + "\nEDITED = True\n"):
        assert rules(pending(finished)) == expected


def test_comments_docstrings_and_touched_scripts_rerun_nothing(finished):
    modules = sorted((finished / "src/smrestore").rglob("*.py"))
    scripts = sorted((finished / "workflow/scripts").glob("*.py"))
    for script in scripts:
        os.utime(script)
    with edited(
        *modules,
        *scripts,
        edit=lambda text: "# A comment.\n" + text.replace('"""', '"""Again. ', 1),
    ):
        assert pending(finished) == set()


def test_training_settings_retrain_one_experiment(finished, tmp_path):
    settings = {"experiments": {"smrnet-x4": {"training": {"learning_rate": 1.0e-3}}}}
    assert replanned(finished, tmp_path, settings) == {
        ("train_network", "smrnet-x4"),
        ("plot_training_curve", "smrnet-x4"),
        ("evaluate_method", "upsampling-x4/smrnet-x4"),
        ("make_table", "table4"),
        ("check_claims", ""),
        ("write_report", ""),
    }


def test_training_settings_retrain_what_is_like_the_experiment(finished, tmp_path):
    settings = {"experiments": {"smrnet-x2": {"training": {"learning_rate": 1.0e-3}}}}
    jobs = replanned(finished, tmp_path, settings)
    trained = {wildcards for rule, wildcards in jobs if rule == "train_network"}
    assert trained == {"smrnet-x2", "smrnet-x4"}
    assert ("restore_scan", "spiral/smrnet-x2") in jobs


def test_reading_of_calibrations_restores_and_draws_them_again(finished, tmp_path):
    settings = {"measurements": {"nested": {"reconstruction": {"background": "mean"}}}}
    found = rules(replanned(finished, tmp_path, settings))
    assert {"restore_scan", "reconstruct_scan", "plot_figure6"} <= found
    assert not found & {"train_network", "evaluate_method", "plot_figure4"}


def wildcards(jobs, *names):
    """Return the wildcards of the jobs of some rules."""
    return {values for rule, values in jobs if rule in names}


def of_dimension(config, section, dimension):
    """Return the entries of a section that belong to a dataset of this dimension."""
    datasets = config["datasets"]
    return {
        name
        for name, entry in config[section].items()
        if datasets[entry["dataset"]]["dimension"] == dimension
    }


@pytest.fixture(scope="module")
def config():
    """The complete configuration of the small run."""
    return load_configuration([ROOT / "config.yaml", ROOT / CI])


def test_parameter_range_simulates_and_trains_what_is_drawn_from_it(finished, tmp_path, config):
    settings = {"datasets": {"lissajous-3d": {"grid": {"average_size": [3, 7]}}}}
    jobs = replanned(finished, tmp_path, settings)
    splits = {f"lissajous-3d/{split}" for split in ("train", "validation", "test")}
    assert wildcards(jobs, "sample_parameters") == splits
    assert {w.rpartition("/")[0] for w in wildcards(jobs, "simulate_batch")} == splits
    # Its scans and pools hold the frequencies of its components.
    assert wildcards(jobs, "scan_empty") == {"empty-training-3d", "empty-test-3d"}
    assert wildcards(jobs, "build_noise_pool") == {"training-3d", "test-3d"}
    assert wildcards(jobs, "train_network") == of_dimension(config, "experiments", 3)
    evaluated = {w.partition("/")[0] for w in wildcards(jobs, "evaluate_method")}
    assert evaluated == of_dimension(config, "test_sets", 3)
    assert not rules(jobs) & {"plot_figure1", "plot_figure2", "scan_calibration", "fit_scan"}
    assert not {w for w in wildcards(jobs, "restore_scan") if w.endswith("/dncnn")}


def test_noise_scan_builds_its_pool_and_trains_with_it(finished, tmp_path, config):
    settings = {"scans": {"empty-training": {"frames": 160}}}
    jobs = replanned(finished, tmp_path, settings)
    # The scan for tests is like the one for training.
    assert wildcards(jobs, "scan_empty") == {"empty-training", "empty-test"}
    assert wildcards(jobs, "build_noise_pool") == {"training", "test"}
    assert wildcards(jobs, "train_network") == of_dimension(config, "experiments", 2)
    assert not rules(jobs) & {*SIMULATION, "scan_calibration", "fit_scan"}


def test_network_size_retrains_that_network(finished, tmp_path):
    settings = {"experiments": {"pconv-unet": {"network": {"channels": [4, 6]}}}}
    jobs = replanned(finished, tmp_path, settings)
    assert wildcards(jobs, "train_network", "plot_training_curve") == {"pconv-unet"}
    assert wildcards(jobs, "evaluate_method") == {"inpainting-3d/pconv-unet"}
    assert wildcards(jobs, "restore_scan") == {"nested/pconv-unet"}
    assert wildcards(jobs, "reconstruct_scan") == {"nested"}
    assert wildcards(jobs, "make_table") == {"table5"}


def test_versions_of_packages_repeat_nothing_outside_of_conda(finished):
    """Only --sdm conda can tell that they belong to a job."""
    pins = [finished / "constraints.txt", *(finished / "envs").glob("*.yaml")]
    with edited(*pins, edit=lambda text: text.replace("numpy==", "numpy==1")):
        assert pending(finished) == set()
    version = 'version = "'
    with edited(
        finished / "pyproject.toml", edit=lambda text: text.replace(version, version + "9")
    ):
        assert pending(finished) == set()


def test_label_trains_and_evaluates_nothing(finished, tmp_path):
    jobs = replanned(finished, tmp_path, {"experiments": {"dncnn": {"label": "Other"}}})
    assert ("make_table", "table2") in jobs
    assert ("plot_training_curve", "dncnn") in jobs
    assert not rules(jobs) & {"train_network", "evaluate_method"}
    assert not [wildcards for _, wildcards in jobs if "unet-canonical" in wildcards]


def test_new_dataset_leaves_the_others_alone(finished, tmp_path):
    dataset = {
        "dimension": 2,
        "model": "langevin",
        "matrices": {"train": 2, "validation": 1, "test": 1},
        "batch_size": 1,
        "grid": {"minimum_size": 4, "maximum_size": 6},
        "sequence": {
            "base_frequency_Hz": 2.5e6,
            "dividers": [102, 96, 99],
            "sampling_rate_Hz": 2.5e6,
        },
        "components": {"norm_threshold": 1.0e-5, "maximum": 10},
    }
    settings = {"datasets": {"other-2d": dataset}}
    # The run has left out datasets that nothing rests on.
    caused = replanned(finished, tmp_path, settings, "simulate") - pending(finished, "simulate")
    assert caused == {
        *(("sample_parameters", f"other-2d/{split}") for split in dataset["matrices"]),
        ("simulate_batch", "other-2d/train/000"),
        ("simulate_batch", "other-2d/train/001"),
        ("simulate_batch", "other-2d/validation/000"),
        ("simulate_batch", "other-2d/test/000"),
    }


@pytest.mark.parametrize(
    ("figure", "settings"),
    [
        ("figure1", {"matrices": 1}),
        ("figure2", {"phantoms": ["snake"]}),
        ("figure6", {"component_planes": [{"across": "x"}]}),
        ("figure3", {"components": [{"channel": 1, "mixing_order": [2, 1, 0]}]}),
    ],
)
def test_figure_settings_redraw_that_figure(finished, tmp_path, figure, settings):
    jobs = replanned(finished, tmp_path, {"figures": {figure: settings}})
    assert rules(jobs) == {f"plot_{figure}", "write_report"}


def test_accelerator_reruns_no_computation(finished, tmp_path):
    # The report prints the configuration.
    assert rules(replanned(finished, tmp_path, {"accelerator": "cpu"})) <= {"write_report"}

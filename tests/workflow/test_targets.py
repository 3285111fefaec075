"""Which jobs each target plans from nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from plans import pending

from checkout import ROOT
from smrestore.configuration import read_configuration

BATCHES = {"train": 2, "validation": 1, "test": 1}
# Datasets that nothing is trained or tested with yet.
OTHERS = {
    "lissajous-2d-langevin": {"train": 1, "validation": 1},
    "lissajous-2d-fine": {"train": 1, "validation": 1, "test": 1},
    "lissajous-3d": {"train": 2, "validation": 1, "test": 1},
}
METHODS = ("dct-f", "dncnn", "dncnn-canonical")
EXPERIMENTS = METHODS[1:]


def _jobs(rule, *wildcards):
    return {(rule, name) for name in wildcards}


def _draws(*splits):
    return _jobs("sample_parameters", *(f"lissajous-2d/{split}" for split in splits))


def _simulation(*splits):
    batches = [f"lissajous-2d/{s}/{batch:03d}" for s in splits for batch in range(BATCHES[s])]
    return _draws(*splits) | _jobs("simulate_batch", *batches)


OTHER_DRAWS = _jobs(
    "sample_parameters", *(f"{name}/{split}" for name, splits in OTHERS.items() for split in splits)
)
OTHER_SIMULATION = OTHER_DRAWS | _jobs(
    "simulate_batch",
    *(
        f"{name}/{split}/{batch:03d}"
        for name, splits in OTHERS.items()
        for split, count in splits.items()
        for batch in range(count)
    ),
)


def _noise(*pools):
    scans = _jobs("scan_empty", *(f"empty-{pool}" for pool in pools))
    return scans | _jobs("build_noise_pool", *pools)


NOISE_FIGURES = _jobs("plot_noise_pool", "training", "test")


PHANTOM = _jobs("scan_phantom", "snake-phantom")
CALIBRATION = _jobs("scan_calibration", "snake-calibration")
REFERENCE = _jobs("scan_calibration", "snake-reference")
# Scans that nothing is restored from yet.
OTHER_SCANS = {
    (f"scan_{kind}", f"{setting}-{kind}")
    for setting in ("resolution", "spiral", "nested")
    for kind in ("calibration", "phantom")
}
EMPTY = _jobs("scan_empty", "empty-training", "empty-test")
CURVES = _jobs("plot_training_curve", *EXPERIMENTS)
TRAINING = (
    _simulation("train", "validation") | _noise("training") | _jobs("train_network", *EXPERIMENTS)
)
EVALUATION = (
    TRAINING
    | _simulation("test")
    | _noise("test")
    | _jobs("evaluate_method", *(f"denoising-2d/{method}" for method in METHODS))
)
RESTORATION = TRAINING | CALIBRATION | _jobs("restore_scan", *(f"snake/{m}" for m in METHODS))
VARIANTS = [f"snake/{variant}" for variant in (*METHODS, "measured", "reference", "truth")]
RECONSTRUCTION = RESTORATION | REFERENCE | PHANTOM | _jobs("reconstruct_scan", *VARIANTS)
TABLES = (
    EVALUATION
    | RECONSTRUCTION
    | _jobs("score_components", *(name for name in VARIANTS if name != "snake/truth"))
    | _jobs("make_table", "table2")
    | _jobs("make_transfer_table", "snake")
    | _jobs("check_claims", "")
    | _jobs("tabulate_calibration_times", "")
)
FIGURES = (
    CURVES
    | RECONSTRUCTION
    | _simulation("test")
    | _jobs("plot_figure1", "")
    | _jobs("plot_figure3", "")
)
TARGETS = {
    "parameters": _draws(*BATCHES) | OTHER_DRAWS,
    "simulate": _simulation(*BATCHES) | OTHER_SIMULATION,
    "scans": EMPTY | CALIBRATION | REFERENCE | PHANTOM | OTHER_SCANS,
    "noise": _noise("training", "test") | NOISE_FIGURES,
    "train": TRAINING | CURVES,
    "evaluate": EVALUATION,
    "tables": TABLES,
    "restore": RESTORATION,
    "reconstruct": RECONSTRUCTION,
    "figures": FIGURES,
    "all": TABLES | FIGURES | NOISE_FIGURES | _jobs("write_report", ""),
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
def test_target_plans_exactly_its_jobs(plans, target):
    folder, jobs = plans[target]
    assert jobs == TARGETS[target]
    assert not [path for path in folder.iterdir() if path.name != ".snakemake"]


@pytest.mark.parametrize("overlays", [[], ["config/paper.yaml"]], ids=["default", "paper"])
def test_configuration_plans_the_whole_study(empty_checkout, tmp_path, overlays):
    jobs = pending(empty_checkout, "--directory", tmp_path, configfiles=overlays)
    config = read_configuration(ROOT / name for name in ["config.yaml", *overlays])
    for rule, section in (
        ("build_noise_pool", "noise_pools"),
        ("train_network", "experiments"),
        ("make_table", "tables"),
        ("make_transfer_table", "measurements"),
    ):
        assert {name for job, name in jobs if job == rule} == set(config[section])
    dataset = config["datasets"]["lissajous-2d"]
    n_batches = sum(-(-n // dataset["batch_size"]) for n in dataset["matrices"].values())
    assert len([job for job, _ in jobs if job == "simulate_batch"]) == n_batches

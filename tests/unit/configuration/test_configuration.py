"""The default configuration passes, and each kind of fault gives exactly its own line."""

import json
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
import yaml

from checkout import ROOT
from smrestore.configuration import (
    ConfigurationError,
    complete_configuration,
    lay_over_base,
    load_configuration,
    make_explicit,
    read_configuration,
)
from smrestore.configuration.files import read_part
from smrestore.configuration.origins import show_configuration
from smrestore.configuration.reference import schema
from smrestore.configuration.tables import Published
from smrestore.support.errors import InputError

FILE = read_configuration([ROOT / "config.yaml"])
DEFAULT = make_explicit(FILE).config
# What the faults below are put into: the entries of the default that they name, and no others.
KEPT = {
    "baselines": ["dct-f"],
    "experiments": ["dncnn", "rdn"],
    "test_sets": ["denoising-2d"],
    "tables": ["table2"],
    "measurements": ["snake"],
    "noise_pools": ["training", "test"],
    "scans": [
        "empty-training",
        "empty-test",
        *(f"snake-{kind}" for kind in ("calibration", "reference", "phantom")),
        *(f"{name}-calibration" for name in ("resolution", "spiral", "nested")),
        "nested-phantom",
    ],
    "figures": ["figure1", "figure2", "figure3"],
    "twin_methods": [],
    "denoised_methods": [],
    "shipped_networks": [],
}
METHODS = ["dct-f", "dncnn", "rdn"]

SECOND_DATASET = {**DEFAULT["datasets"]["lissajous-2d"], "dimension": 3}
SEQUENCE_3D = {
    **DEFAULT["sequences"]["lissajous-xy"],
    "drive_amplitude_mT": [12.0, 12.0, 12.0],
}
EMPTY_3D = {**DEFAULT["scans"]["empty-test"], "sequence": "lissajous-xyz"}


def fresh() -> dict:
    """Return the kept part of the default, without what YAML aliases share between entries."""
    kept = {
        section: {name: entries[name] for name in KEPT[section]} if section in KEPT else entries
        for section, entries in DEFAULT.items()
    }
    config = json.loads(json.dumps(kept))
    config["test_sets"]["denoising-2d"]["methods"] = METHODS
    config["measurements"]["snake"]["methods"] = METHODS
    del config["measurements"]["snake"]["realizations"]
    del config["figures"]["figure3"]["methods"]
    config["tables"]["table2"] |= {"test_sets": ["denoising-2d"], "published": {"dct-f": "dct-f"}}
    return config


@pytest.fixture
def config() -> dict:
    return fresh()


def get(config: dict, key: str) -> object:
    """Return the entry at a key such as ``scans/mine/path``; numbers are indices into lists.

    Sections that are left out are added.
    """
    for part in key.split("/") if key else []:
        config = config[int(part)] if part.isdigit() else config.setdefault(part, {})
    return config


def put(config: dict, key: str, value: object) -> None:
    parent, _, last = key.rpartition("/")
    get(config, parent)[int(last) if last.isdigit() else last] = value


def faults(config: object, base_directory: Path = ROOT) -> list[str]:
    try:
        complete_configuration(config, base_directory)
    except ConfigurationError as error:
        assert str(error).splitlines() == error.faults
        return error.faults
    return []


def test_default_passes() -> None:
    assert faults(DEFAULT) == []


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "config").glob("*.yaml")))
def test_overlays_pass(name: str) -> None:
    below = {"tenth.yaml": ["paper.yaml"], "limits.yaml": ["workstation.yaml"]}
    overlays = [ROOT / "config" / overlay for overlay in (*below.get(name, []), name)]
    assert faults(read_configuration([ROOT / "config.yaml", *overlays])) == []


def test_configuration_is_not_changed(config: dict) -> None:
    before = json.dumps(config)
    faults(config)
    assert json.dumps(config) == before


CASES = yaml.safe_load(Path(__file__).with_name("configuration_faults.yaml").read_text())


@pytest.fixture
def extended(config: dict) -> dict:
    """Return the default with unused entries, and one network only, so that faults stay single."""
    config["sequences"]["lissajous-xyz"] = SEQUENCE_3D
    config["grids"]["other"] = DEFAULT["grids"]["snake"]
    config["measurements"]["snake"]["methods"] = ["dct-f", "dncnn"]
    config["measurements"]["snake"]["reconstruction"]["max_frequency_Hz"] = 1.0e6
    return config


def test_extended_passes(extended: dict) -> None:
    assert faults(extended) == []


@pytest.mark.parametrize("case", CASES, ids=[case["line"].partition(": ")[0] for case in CASES])
def test_one_fault_one_line(extended: dict, case: dict) -> None:
    value = case.get("value")
    if "like" in case:
        value = {**get(extended, case["like"]), **(value or {})}
    put(extended, case["key"], value)
    assert faults(extended) == [case["line"].format(base=ROOT)]


def test_swinir_is_for_planes(config: dict) -> None:
    config["experiments"]["dncnn"] |= {"dimension": 3, "network": {"name": "swinir"}}
    assert (
        "experiments.dncnn.network.name: swinir does not exist in 3D. Choose another network"
        in faults(config)
    )


@pytest.fixture
def whole() -> dict:
    """Return all of the default."""
    return json.loads(json.dumps(DEFAULT))


WHOLE_CASES = {
    "measurements/snake/phantom": (
        "spiral-phantom",
        "measurements.snake.phantom: the outer voxels of grid 'spiral-fine' lie elsewhere than "
        "those of 'snake', the calibration. Use the same grid, or a finer one with the same outer "
        "voxel centers",
    ),
    "measurements/spiral/truth": (
        "spiral-calibration",
        "measurements.spiral.truth: grid 'spiral' has 15 x 15 x 1 voxels, what is restored "
        "29 x 29 x 1. Name a virtual calibration on the restored grid",
    ),
    "figures/transfer": (
        {
            "panels": [
                {
                    "title": "x",
                    "measurement": "resolution",
                    "test_set": "upsampling-x2",
                    "baseline": "tricubic",
                },
                {
                    "title": "y",
                    "measurement": "resolution",
                    "test_set": "accelerated-3d",
                    "baseline": "bicubic",
                },
            ]
        },
        "figures.transfer.panels[0].test_set: its task is upsampling, that of the measurement "
        "accelerated-calibration. Name a test set of the same task\n"
        "figures.transfer.panels[1].baseline: measurement and test set have the methods tricubic, "
        "smrnet-3d, unet-accelerated, denoised-tricubic in common. Name one of at least two",
    ),
}


@pytest.mark.parametrize("key", WHOLE_CASES)
def test_faults_between_the_tasks(whole: dict, key: str) -> None:
    value, lines = WHOLE_CASES[key]
    put(whole, key, value)
    assert "\n".join(faults(whole)) == lines


def test_twins_are_for_denoising_beside_the_same_method(whole: dict) -> None:
    methods = whole["measurements"]["snake"]["methods"]
    assert "twin-dct-f" in methods
    assert faults(whole) == []
    methods.remove("dct-f")
    inpainting = whole["measurements"]["nested"]["methods"]
    inpainting.append("twin-dct-f")
    assert [line for line in faults(whole) if "twins" in line] == [
        f"measurements.nested.methods[{len(inpainting) - 1}]: twins cannot be used for inpainting. "
        "Use 'dct-f'",
        f"measurements.snake.methods[{methods.index('twin-dct-f')}]: twins are compared with "
        "'dct-f', which is not among the methods. Add 'dct-f'",
    ]


def test_repeated_scans_are_realizations_also_of_what_is_restored_first(whole: dict) -> None:
    again = {"source": "virtual", "kind": "calibration", "repeats": "spiral-calibration"}
    whole["scans"]["again"] = again
    for name in ("spiral", "spiral-denoised"):
        whole["measurements"][name]["realizations"] = ["again"]
    assert faults(whole) == []
    again["averages"] = 7
    line = "scan 'again' has other settings than 'spiral-calibration'. Give it "
    assert [line in fault for fault in faults(whole)] == [True, True]
    del again["averages"], whole["measurements"]["spiral-denoised"]["realizations"]
    assert faults(whole) == [
        "measurements.spiral.realizations[0]: 'spiral-denoised', which is restored first, has no "
        "such one. Give it the same realizations"
    ]


def test_a_finer_grid_needs_its_truth(whole: dict) -> None:
    del whole["measurements"]["spiral"]["truth"]
    assert faults(whole) == [
        "measurements.spiral.truth: the truth of 'spiral-calibration' has fewer voxels than what "
        "is restored. Name a virtual calibration on the restored grid"
    ]


def test_missing_keys(config: dict) -> None:
    del config["scans"]["snake-phantom"]["averages"]
    assert faults(config) == [
        "scans.snake-phantom.averages: the key is missing. Add it to scans.snake-phantom"
    ]


def test_renamed_key_is_one_fault(config: dict) -> None:
    training = config["experiments"]["dncnn"]["training"]
    training["batchsize"] = training.pop("batch_size")
    assert faults(config) == [
        "experiments.dncnn.training.batchsize: unknown key. Did you mean 'batch_size'?"
    ]


def test_dimension_of_dataset(config: dict) -> None:
    """Networks for planes denoise volumes, so only the dataset is wrong."""
    config["test_sets"]["denoising-2d"]["dimension"] = 3
    assert faults(config) == [
        "test_sets.denoising-2d.dimension: 3, but dataset 'lissajous-2d' has dimension 2. "
        "Use a dataset of the same dimension",
    ]


def test_dimension_of_networks(config: dict) -> None:
    """Networks for volumes restore no planes, and those for planes only denoise volumes."""
    volumes = config["experiments"]["dncnn"] | {
        "dimension": 3,
        "dataset": "lissajous-3d",
        "noise_pool": "training-3d",
    }
    config["experiments"]["volumes"] = volumes
    config["test_sets"]["denoising-2d"]["methods"] = ["dct-f", "volumes"]
    found = faults(config)
    assert any(
        "experiment 'volumes' has dimension 3, this has 2. Use experiments of the same dimension"
        in fault
        for fault in found
    ), found


@pytest.mark.parametrize(
    ("average", "n_voxels"), [([8, 16], 16**3), ([8, 50 / 3], 17 * 17 * 16), ([8, 40], 32**3)]
)
def test_pool_for_grids_of_limited_average_size(config: dict, average: list, n_voxels: int) -> None:
    grid = {"minimum_size": 4, "maximum_size": 32, "average_size": average}
    config["datasets"]["lissajous-3d"]["grid"] = grid
    pool = {"model": "white", "sequence": "lissajous-xyz", "frequencies": "needed"}
    test_set = {**config["test_sets"]["denoising-2d"], "dimension": 3, "dataset": "lissajous-3d"}
    config["test_sets"]["denoising-3d"] = {**test_set, "noise_pool": "3d", "methods": ["dct-f"]}
    config["noise_pools"]["3d"] = {**pool, "frames": n_voxels}
    assert faults(config) == []
    config["noise_pools"]["3d"]["frames"] -= 1
    assert faults(config) == [
        f"test_sets.denoising-3d.noise_pool: the {n_voxels - 1} frames of pool '3d' are too few "
        f"for grids of up to {n_voxels} voxels. Scan more frames, or limit the grid size of the "
        "dataset"
    ]


def test_table_of_two_dimensions(config: dict) -> None:
    config["datasets"]["lissajous-3d"] = {
        **SECOND_DATASET,
        "grid": {"minimum_size": 4, "maximum_size": 8},
    }
    config["sequences"]["lissajous-xyz"] = SEQUENCE_3D
    config["scans"]["empty-3d"] = EMPTY_3D
    config["noise_pools"]["test-3d"] = {"scans": ["empty-3d"], "background_level": "remove"}
    config["test_sets"]["denoising-3d"] = {
        **config["test_sets"]["denoising-2d"],
        "dimension": 3,
        "dataset": "lissajous-3d",
        "noise_pool": "test-3d",
        "methods": ["dct-f"],
    }
    assert faults(config) == []
    config["tables"]["table2"]["test_sets"].append("denoising-3d")
    assert faults(config) == []
    config["test_sets"]["denoising-again"] = dict(config["test_sets"]["denoising-2d"])
    config["tables"]["table2"]["test_sets"].append("denoising-again")
    assert faults(config) == [
        "tables.table2.test_sets[2]: another test set of the table has the same dimension, factor "
        "and particle state. Make a table for each"
    ]


def test_scan_files(config: dict, tmp_path: Path) -> None:
    (tmp_path / "empty.mdf").touch()
    scan = {"source": "file", "kind": "empty", "path": "empty.mdf"}
    config["scans"] |= {"empty-training": scan, "empty-test": {**scan, "path": "./empty.mdf"}}
    # Two names for one file do not hide that networks would be tested on their training noise.
    (line,) = faults(config, tmp_path)
    assert line.startswith("test_sets.denoising-2d.noise_pool: its frames were used to train")
    (tmp_path / "other.mdf").touch()
    config["scans"]["empty-test"]["path"] = "other.mdf"
    assert faults(config, tmp_path) == []


def test_all_faults_at_once_sorted(config: dict) -> None:
    config["tables"]["table2"]["test_sets"] = ["denoising-4d"]
    config["seed"] = "2026"
    config["datasets"]["lissajous-2d"]["dimension"] = 4
    found = faults(config)
    assert [line.partition(":")[0] for line in found] == [
        "datasets.lissajous-2d.dimension",
        "seed",
        "tables.table2.test_sets[0]",
    ]


@pytest.mark.parametrize("config", [None, [], "text", 3])
def test_not_a_section(config: object) -> None:
    (line,) = faults(config)
    assert line.startswith("configuration: ")


def sections(value: object, place: tuple = ()) -> list[tuple]:
    """Return the places of all sections and lists in a configuration."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        below
        for key, entry in inner
        if isinstance(entry, dict | list)
        for below in ((*place, key), *sections(entry, (*place, key)))
    ]


WRONG = (None, 7, "text", [], {}, [None], {"x": None})


@pytest.mark.parametrize("start", range(2))
def test_any_section_may_be_wrong(start: int) -> None:
    """Faults of structure, wherever they are, never break the checks that build on it."""
    for i, place in enumerate(sections(DEFAULT)[start::2]):
        config = json.loads(json.dumps(DEFAULT))
        put(config, "/".join(map(str, place)), WRONG[i % len(WRONG)])
        assert all(". " in line for line in faults(config))


class TestReading:
    def test_aliases_are_separate(self, tmp_path: Path) -> None:
        base, overlay = tmp_path / "base.yaml", tmp_path / "overlay.yaml"
        base.write_text("a: &a {x: 1}\nb: *a\n")
        overlay.write_text("a: {x: 2}\n")
        assert read_configuration([base, overlay]) == {"a": {"x": 2}, "b": {"x": 1}}

    def test_overlay(self, tmp_path: Path) -> None:
        overlay = tmp_path / "overlay.yaml"
        overlay.write_text(
            "datasets: {lissajous-2d: {matrices: {train: 7}}}\ntables: {table2: {test_sets: [x]}}\n"
        )
        config = read_configuration([ROOT / "config.yaml", overlay])
        assert config["datasets"]["lissajous-2d"]["matrices"] == {
            "train": 7,
            "validation": 10,
            "test": 40,
        }
        assert config["tables"]["table2"]["test_sets"] == ["x"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [("a: [1", "not YAML"), ("- a", "holds no keys"), ("", "holds no keys")],
    )
    def test_bad_files(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(InputError, match=f"bad.yaml: {message}") as error:
            read_configuration([path])
        assert "\n" not in str(error.value)

    def test_the_base_lies_below_all_files(self, tmp_path: Path) -> None:
        (tmp_path / "below").mkdir()
        files = {
            "below/base.yaml": "a: {x: 1, y: 1, z: 1}\n",
            "first.yaml": "base: below/base.yaml\na: {y: 2, z: 2}\n",
            "other/overlay.yaml": "a: {z: 3}\n",
            "other/without.yaml": "base: null\n",
        }
        (tmp_path / "other").mkdir()
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        first, overlay, without = (tmp_path / name for name in list(files)[1:])
        assert read_configuration([first, overlay]) == {"a": {"x": 1, "y": 2, "z": 3}}
        assert read_configuration([first, without]) == {"a": {"y": 2, "z": 2}}
        merged = {"base": "below/base.yaml", "a": {"y": 4}}
        assert lay_over_base(merged, tmp_path) == {"a": {"x": 1, "y": 4, "z": 1}}

    @pytest.mark.parametrize(
        ("base", "line"),
        [
            ("none.yaml", "base: there is no file {folder}/none.yaml. Check the path"),
            ("3", "base: 3 is not a text. Give the path of a file"),
            ("first.yaml", "{folder}/first.yaml: base: a base has no base itself. Remove it"),
        ],
    )
    def test_faulty_base(self, tmp_path: Path, base: str, line: str) -> None:
        path = tmp_path / "first.yaml"
        path.write_text(f"base: {base}\n")
        with pytest.raises(InputError) as error:
            read_configuration([path])
        assert str(error.value) == line.format(folder=tmp_path)

    def test_a_file_without_base_may_hold_all(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(FILE))
        assert load_configuration([path], ROOT) == complete_configuration(FILE, ROOT)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such file"):
            read_configuration([tmp_path / "none.yaml"])


class TestLikeness:
    def test_entries_are_merged_along_a_chain(self) -> None:
        network = {"name": "unet", "blocks": 2, "cell": 4}
        entries = {
            "first": {"network": network, "training": {"steps": 3, "sigma": [0.0, 0.1]}},
            "second": {"like": "first", "training": {"sigma": [0.2]}, "network": {"cell": 1}},
            "third": {"like": "second", "network": {"name": "dncnn"}},
        }
        explicit = make_explicit({"experiments": entries}).config["experiments"]
        assert explicit["second"]["network"] == {"name": "unet", "blocks": 2, "cell": 1}
        training = {"steps": 3, "sigma": [0.2]}
        assert explicit["third"] == {"network": {"name": "dncnn"}, "training": training}

    def test_options_of_another_task_are_not_kept(self) -> None:
        entries = {
            "first": {"task": "upsampling", "degradation": {"factor": 2}, "factor": 2, "sigma": []},
            "second": {"like": "first", "task": "inpainting"},
        }
        second = make_explicit({"test_sets": entries}).config["test_sets"]["second"]
        assert second == {"task": "inpainting", "sigma": []}

    def test_repetitions_are_scans_and_realizations(self) -> None:
        scan = {"kind": "calibration", "averages": 3, "repetitions": 2}
        fast = {"kind": "calibration", "repeats": "a", "averages": 1, "repetitions": 1}
        config = make_explicit(
            {
                "scans": {"a": scan, "fast": fast, "a-c": {"averages": 7}},
                "measurements": {"m": {"calibration": "a"}, "n": {"like": "m", "realizations": []}},
            }
        ).config
        again = {"source": "virtual", "kind": "calibration", "repeats": "a"}
        assert config["scans"]["a-b"] == again
        assert config["scans"]["a-c"] == {**again, "averages": 7}
        assert config["scans"]["fast-b"] == {**again, "averages": 1}
        assert config["measurements"]["m"]["realizations"] == ["a-b", "a-c"]
        assert config["measurements"]["n"]["realizations"] == []

    def test_a_fault_is_reported_where_it_is(self) -> None:
        config = json.loads(json.dumps(FILE))
        config["experiments"]["dncnn"]["training"]["flip"] = True
        line = "experiments.dncnn.training.flip: unknown key. Did you mean 'flips'?"
        assert faults(config) == [line]


class TestCompletion:
    def test_defaults_and_others_settings_are_filled_in(self) -> None:
        config = complete_configuration(FILE, ROOT)
        assert config["datasets"]["lissajous-2d-fine"]["grid"] == {
            "minimum_size": 8,
            "maximum_size": 32,
        }
        assert config["scans"]["resolution-fast-b"]["grid"] == "resolution"
        assert config["scans"]["resolution-fast-b"]["averages"] == 1
        assert config["experiments"]["unet-x4"]["training"]["export"] == "last"
        assert config["measurements"]["nested"]["reference"] is None
        assert "prior" not in config["measurements"]["nested"]

    def test_what_is_shown_is_the_whole_with_origins(self, tmp_path: Path) -> None:
        overlay = tmp_path / "mine.yaml"
        overlay.write_text("experiments: {rdn: {training: {steps: 7}}}\n")
        paths = [ROOT / "config.yaml", overlay]
        text = show_configuration(paths, ROOT)
        assert yaml.safe_load(text) == complete_configuration(read_configuration(paths), ROOT)
        entry = text.partition("  rdn-langevin:\n")[2].partition("  swinir:\n")[0].splitlines()
        assert f"      steps: 7 # {overlay}, rdn" in entry
        assert f"      patch: 32 # {ROOT}/config.yaml, dncnn" in entry
        assert f"    dataset: lissajous-2d-langevin # {ROOT}/config.yaml" in entry
        assert "      export: last # default" in entry
        assert f"    size: [17, 15, 1] # {ROOT}/config/study.yaml" in text.splitlines()

    def test_the_schema_takes_all_files(self) -> None:
        jsonschema = pytest.importorskip("jsonschema")
        validator = jsonschema.Draft202012Validator(json.loads(schema()))
        for path in (ROOT / "config.yaml", *(ROOT / "config").glob("*.yaml")):
            assert [error.message for error in validator.iter_errors(read_part(path))] == []
        assert [*validator.iter_errors({"experiments": {"x": {"training": {"step": 1}}}})]


def test_published_methods_are_those_of_the_study() -> None:
    published = pd.read_csv(ROOT / "workflow/published/tables.csv")["method"]
    assert sorted(set(published)) == list(get_args(Published))

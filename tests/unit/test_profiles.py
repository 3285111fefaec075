"""Profiles fit the rules of the workflow and do not hide keys of each other."""

import re

import yaml

from checkout import ROOT


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def rule_names() -> set[str]:
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    return {
        name
        for file in files
        for name in re.findall(r"^ *rule (\w+):", file.read_text(), flags=re.MULTILINE)
    }


def test_slurm_profile_is_found_from_the_checkout():
    # Snakemake looks for `--profile slurm` in the working directory, not in profiles/.
    assert (ROOT / "slurm").is_symlink()
    assert (ROOT / "slurm" / "config.yaml").samefile(ROOT / "profiles/slurm/config.yaml")


def test_default_profile_hides_no_key_of_the_slurm_profile():
    assert not profile("default").keys() & profile("slurm").keys()


def test_slurm_profile_names_existing_rules():
    assert profile("slurm")["set-resources"].keys() <= rule_names()

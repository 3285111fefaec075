"""Claims: verdicts of made-up evaluations, by hand."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from checkout import ROOT
from smrestore.evaluation.claims import (
    Claim,
    ComparedSet,
    check_claims,
    clustered_interval,
    compare_claim,
    overall,
    paired_differences,
    published_difference,
    read_claims,
)
from smrestore.evaluation.tables import read_published
from smrestore.metrics import ConfidenceInterval
from smrestore.report.markdown import read_markdown
from smrestore.support.errors import InputError

FOLDER = ROOT / "workflow" / "published"
PUBLISHED = read_published(FOLDER / "tables.csv")
CLAIMS = {claim.name: claim for claim in read_claims(FOLDER / "claims.yaml")}
PLANE = {"table": 2, "dimension": 2}
LEAD = Claim("c", "Text.", PLANE, "psnr", ("rdn",), ("dct-f",), "ahead", 10.0, (0.1,))


def evaluation(method, psnr, *, matrices=8, components=5, sigma=0.1, size=(9, 9, 9), **more):
    """Return rows whose PSNR is ``psnr`` plus what matrix and component are worth to any method."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {
                "method": method,
                "matrix": f"test-{matrix:05d}-{size[0]}",
                "channel": 0,
                "frequency": component,
                **dict(zip(("size_x", "size_y", "size_z"), size, strict=True)),
                "sigma": sigma,
                "scale": 1,
                "psnr": psnr + 5 * rng.standard_normal(),
                "ssim": 0.5 + psnr / 100,
                **more,
            }
            for matrix in range(matrices)
            for component in range(components)
        ]
    )


def made(rows, claim, published=None, ranges=()):
    names = published or {method: method for method in set(rows["method"])}
    part = ComparedSet("set", rows, {**claim.where}, names, ranges)
    return compare_claim(claim, [part], PUBLISHED)


@pytest.mark.parametrize(
    ("expect", "by", "mean", "half", "verdict"),
    [
        ("ahead", 10, 12.0, 1.9, "supported"),
        ("ahead", 10, 12.0, 2.0, "not decided"),
        ("ahead", 10, 8.0, 2.0, "not supported"),
        ("ahead", 10, 8.0, 2.1, "not decided"),
        ("ahead", 0, -0.1, 0.05, "not supported"),
        ("ahead", -5, -3.0, 1.0, "supported"),
        ("equal", 0.5, -0.3, 0.2, "supported"),
        ("equal", 0.5, 0.4, 0.2, "not decided"),
        ("equal", 0.5, -0.9, 0.2, "not supported"),
        ("equal", 0.5, 0.0, 0.6, "not decided"),
        ("grows-with-size", 0, 2.0, 1.0, "supported"),
        ("ahead", 10, 12.0, np.nan, "not decided"),
        ("ahead", 10, np.inf, np.nan, "not decided"),
    ],
)
def test_verdict(expect, by, mean, half, verdict):
    claim = dataclasses.replace(LEAD, expect=expect, by=by)
    assert claim.verdict(ConfidenceInterval(mean, half, 9)) == verdict


def test_a_claim_needs_all_of_its_comparisons():
    assert overall(["supported", "supported"]) == "supported"
    assert overall(["supported", "not decided"]) == "not decided"
    assert overall(["not decided", "not supported", "supported"]) == "not supported"
    assert overall([]) == "not run"


def test_interval_of_clusters_of_equal_size_is_that_of_their_means():
    values = np.random.default_rng(0).normal(size=(6, 10)) + np.arange(6)[:, None]
    found = clustered_interval(values.ravel(), np.repeat(np.arange(6), 10))
    means = values.mean(axis=1)
    half = stats.t.ppf(0.975, 5) * means.std(ddof=1) / np.sqrt(6)
    assert found == pytest.approx((values.mean(), half, 60))
    # Components of one matrix that are alike count once.
    repeated = clustered_interval(np.repeat(means, 10), np.repeat(np.arange(6), 10))
    assert repeated.ci95 == pytest.approx(half)
    assert np.isnan(clustered_interval(np.arange(4.0), np.zeros(4, dtype=int)).ci95)


def test_pairing_removes_what_components_share():
    rows = pd.concat([evaluation("rdn", 33.0), evaluation("dct-f", 22.0)])
    shuffled = rows.sample(frac=1, random_state=3)
    differences, units = paired_differences(shuffled, "rdn", "dct-f", "psnr")
    np.testing.assert_allclose(differences, 11.0)
    assert np.bincount(units).tolist() == [5] * 8
    # Unpaired, the spread of 5 dB would hide a lead over 10 dB.
    ((record,), _, _) = made(shuffled, LEAD)
    assert record["verdict"] == "supported"
    assert (record["difference"], record["n"], record["matrices"]) == (pytest.approx(11), 40, 8)


def test_other_components_are_no_pair():
    rows = pd.concat([evaluation("rdn", 33.0), evaluation("dct-f", 22.0, components=4)])
    with pytest.raises(InputError, match="rdn and dct-f were not evaluated on the same components"):
        made(rows, LEAD)


def test_comparisons_are_counted_in_those_of_the_study():
    rows = pd.concat(
        [evaluation(m, p, sigma=s) for m, p in (("net", 40.0), ("dct-f", 22.0)) for s in (0.1, 0.2)]
    )
    claim = CLAIMS["denoising-2d-lead"]
    records, count, total = made(rows, claim, {"net": "rdn", "dct-f": "dct-f"})
    assert (count, total) == (2, 12)
    assert [(r["better"], r["than"], r["sigma"]) for r in records] == [
        ("net", "dct-f", "0.1"),
        ("net", "dct-f", "0.2"),
    ]
    # The study: RDN 37.5 ± 0.3, DCT-F 21.9 ± 0.1.
    assert records[0]["paper_difference"] == pytest.approx(15.6)
    assert records[0]["paper_ci95"] == pytest.approx(np.hypot(0.3, 0.1))
    # Two methods of ours in the place of one are two comparisons.
    more = pd.concat([rows, rows[rows["method"] == "dct-f"].assign(method="other")])
    names = {"net": "rdn", "dct-f": "dct-f", "other": "dct-f"}
    records, count, total = made(more, claim, names)
    assert (len(records), count, total) == (4, 2, 12)


def test_claims_look_at_their_own_test_sets():
    rows = pd.concat([evaluation("rdn", 40.0), evaluation("dct-f", 22.0)])
    for where in ({"table": 2, "dimension": 3}, {"table": 6, "dimension": 2}):
        part = ComparedSet("set", rows, where, {"rdn": "rdn", "dct-f": "dct-f"})
        assert compare_claim(LEAD, [part], PUBLISHED)[0] == []


def test_scales_are_told_apart():
    sets = [
        ComparedSet(
            f"x{scale}",
            pd.concat([evaluation(m, p, sigma=0.0, scale=scale) for m, p in pairs.items()]),
            {"table": 4, "dimension": 2},
            {"bicubic": "bicubic", "smrnet": "smrnet"},
        )
        for scale, pairs in (
            (2, {"bicubic": 30.0, "smrnet": 60.0}),
            (4, {"bicubic": 30.0, "smrnet": 45.0}),
        )
    ]
    claim = CLAIMS["upsampling-noise-free"]
    records, count, total = compare_claim(claim, sets, PUBLISHED)
    assert (count, total) == (2, 2)
    assert [r["verdict"] for r in records] == ["supported", "not supported"]
    assert [r["paper_difference"] for r in records] == pytest.approx([54.0 - 28.4, 52.4 - 26.2])


def test_growth_with_noise_is_paired():
    rows = pd.concat(
        [
            evaluation("biharmonic", 30.0, sigma=0.0),
            evaluation("biharmonic", 20.0, sigma=0.1),
            evaluation("pconvunet", 25.0, sigma=0.0),
            evaluation("pconvunet", 24.0, sigma=0.1),
        ]
    )
    ((record,), count, total) = made(rows, CLAIMS["inpainting-robust"])
    assert (record["difference"], record["verdict"]) == (pytest.approx(9.0), "supported")
    assert (record["sigma"], count, total) == ("0 to 0.1", 1, 1)
    # The study: 22.7 - 21.6 with noise, 22.7 - 34.1 without.
    assert record["paper_difference"] == pytest.approx(12.5)
    assert made(rows[rows["sigma"] > 0], CLAIMS["inpainting-robust"])[0] == []


def test_growth_with_size_compares_the_ranges_of_the_run():
    rows = pd.concat(
        [
            evaluation("biharmonic", 20.0, size=(6, 6, 6)),
            evaluation("pconvunet", 18.0, size=(6, 6, 6)),
            evaluation("biharmonic", 20.0, size=(15, 15, 15)),
            evaluation("pconvunet", 21.0, size=(15, 15, 15)),
        ]
    )
    claim, ranges = CLAIMS["inpainting-size"], [[4, 8], [8, 12], [12, 16], [16, 20]]
    ((record,), _, _) = made(rows, claim, ranges=ranges)
    assert record["size_range"] == "(4, 8] to (12, 16]"
    assert (record["difference"], record["verdict"]) == (pytest.approx(3.0), "supported")
    # The study: 27.4 - 22.1 in its largest range, 18.3 - 21.4 in its smallest.
    assert record["paper_difference"] == pytest.approx(8.4)
    assert made(rows, claim, ranges=[[4, 20]])[0] == []


def test_scans_are_compared_by_component_and_repetitions_averaged():
    scores = pd.concat(
        [
            evaluation(m, p, matrices=1, components=30).drop(columns=["matrix", "sigma", "scale"])
            for m, p in (("rdn", 31.0), ("dct-f", 30.0))
        ]
    )
    claim = dataclasses.replace(
        CLAIMS["transfer-denoising"], where={"scan": "denoising", "dimension": 2}, better=("rdn",)
    )
    for rows in (scores, pd.concat([scores.assign(scan=name) for name in ("a", "b")])):
        ((record,), _, _) = made(rows, claim)
        assert (record["n"], record["verdict"]) == (30, "supported")
        assert np.isnan(record["paper_difference"])


@pytest.mark.parametrize(
    "claim", [c for c in CLAIMS.values() if "table" in c.where], ids=lambda c: c.name
)
def test_the_study_supports_its_own_claims(claim):
    levels = claim.sigma if claim.expect in ("ahead", "equal") else claim.sigma[-1:]
    for better in claim.better:
        for than in claim.than:
            for sigma in levels:
                for scale in claim.where.get("scales", [np.nan]):
                    text = f"{sigma:g}"
                    if claim.expect == "grows-with-noise":
                        text = f"{claim.sigma[0]:g} to {sigma:g}"
                    lead, _ = published_difference(claim, PUBLISHED, better, than, text, scale)
                    assert abs(lead) <= claim.by if claim.expect == "equal" else lead > claim.by


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expect": "better"}, r"c\.expect: this cannot be checked"),
        ({"where": {"tabel": 2}}, r"c\.where: this cannot be checked"),
        ({"sigma": []}, r"c\.sigma: this cannot be checked"),
        ({"expect": "grows-with-noise"}, r"c\.sigma: this cannot be checked"),
        ({"beter": ["rdn"]}, "no claims .*beter"),
    ],
)
def test_faulty_claims_are_named(tmp_path, change, message):
    entry = yaml.safe_load((FOLDER / "claims.yaml").read_text())["denoising-2d-lead"]
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump({"c": entry | change}))
    with pytest.raises(InputError, match=message):
        read_claims(tmp_path / "claims.yaml")


def test_page_names_every_claim_with_its_verdict_and_scale(tmp_path):
    paths = []
    for method, psnr in (("dct-f", 22.0), ("rdn", 40.0), ("dncnn", 39.0)):
        paths.append(tmp_path / f"{method}.csv")
        evaluation(method, psnr).assign(test_set="plane").to_csv(paths[-1], index=False)
    scores = {}
    for method, psnr in (("dct-f", 22.0), ("rdn", 20.0)):
        path = tmp_path / f"scan-{method}.csv"
        evaluation(method, psnr, matrices=1).drop(columns=["matrix", "sigma"]).to_csv(path)
        scores.setdefault("snake", []).append(path)
    names = {"dct-f": "dct-f", "rdn": "rdn", "dncnn": "dncnn"}
    check_claims(
        paths,
        scores,
        FOLDER / "tables.csv",
        FOLDER / "claims.yaml",
        tables=[
            {"number": 2, "dimension": 2, "test_set": "plane", "published": names}
            | {"size_ranges": []}
        ],
        scans=[{"measurement": "snake", "task": "denoising", "dimension": 2, "published": names}],
        training={"rdn": {"matrices": 120, "steps": 4400}, "dncnn": {"matrices": 9, "steps": 2}},
        labels={"dct-f": "DCT-F", "rdn": "RDN", "dncnn": "DnCNN"},
        csv=tmp_path / "claims.csv",
        markdown=tmp_path / "claims.md",
    )
    page = read_markdown(tmp_path / "claims.md")
    (_, summary), (title, details) = page.tables
    assert page.before.endswith(
        f": 3 supported, 1 not supported, 0 not decided, {len(CLAIMS) - 4} not run."
    )
    verdicts = dict(zip(CLAIMS, summary["this run"], strict=True))
    assert verdicts["denoising-2d-lead"] == "supported"
    assert verdicts["denoising-2d-larger-networks"] == "supported"
    assert verdicts["transfer-denoising"] == "not supported"
    assert verdicts["ablation"] == "not run"
    assert summary["comparisons made"].iloc[0] == "2 of 12"
    scale = summary["scale of this run"].iloc[0]
    assert "plane: 40 components of 8 matrices" in scale
    assert "DnCNN trained on 9 matrices for 2 steps; RDN trained on 120 matrices" in scale
    assert title == "Comparisons"
    assert details["methods"].iloc[0] == "DnCNN − DCT-F"
    assert details["difference"].iloc[1] == "18.00 ± 0.00"
    assert details["expected"].iloc[1] == "> 10 dB"
    table = pd.read_csv(tmp_path / "claims.csv")
    assert "nan" not in (tmp_path / "claims.md").read_text()
    assert set(table["claim"]) == set(CLAIMS)
    assert (table["verdict"] == "not run").sum() == sum(v == "not run" for v in verdicts.values())

"""What jobs ask of Slurm, checked before the first is submitted."""

from types import SimpleNamespace

import pytest

from smrestore.support import cluster
from smrestore.support.cluster import Request, check_jobs, check_requests, read_partitions
from smrestore.support.errors import InputError

SINFO = """\
main*|1-00:00:00|(null)
gpu|4:00:00|(null)
gpu|4:00:00|gpu:a100:4(S:0-1)
long|infinite|(null)
quick|30:00|gpu:1
"""
PARTITIONS = read_partitions(SINFO)


def job(rule="train_network", is_local=False, **resources):
    return SimpleNamespace(rule=SimpleNamespace(name=rule), is_local=is_local, resources=resources)


def test_partitions_are_read_with_their_default_limits_and_gpus():
    found = {p.name: (p.is_default, p.gpus, p.minutes) for p in PARTITIONS}
    assert found == {
        "main": (True, False, 1440),
        "gpu": (False, True, 240),
        "long": (False, False, float("inf")),
        "quick": (False, True, 30),
    }


def test_requests_of_jobs():
    request = cluster.request_of(
        job(
            slurm_partition="gpu,long",
            gres="gpu:a100:1",
            runtime=90,
            slurm_extra="'--signal=TERM@300'",
        )
    )
    assert request == Request("train_network", ("gpu", "long"), True, 90, 300)
    assert cluster.request_of(job(gpu=0)) == Request("train_network")
    assert cluster.request_of(job(slurm_cluster="other", slurm_partition="none")) is None


@pytest.mark.parametrize(
    "request_",
    [
        Request("simulate_batch", (), False, 1440),
        Request("train_network", ("gpu",), True, 240, 300),
        Request("train_network", ("long", "quick"), True, 5000, 300),
    ],
)
def test_what_a_cluster_offers_is_accepted(request_):
    check_requests([request_], PARTITIONS)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            Request("fit_scan", ("nosuch",)),
            "fit_scan: slurm_partition: there is no partition 'nosuch' on this cluster, but main, "
            "gpu, long, quick. Name one of them",
        ),
        (
            Request("train_network", (), True),
            "train_network: gpu: a GPU is demanded, but there is none in partition main. Set "
            "slurm_partition of train_network to one that has them .gpu, quick.",
        ),
        (
            Request("fit_scan", ("quick",), False, 60),
            "fit_scan: runtime: 60 min are more than the 30 min that partition quick allows",
        ),
        (
            Request("train_network", ("gpu",), True, 5, 300),
            "train_network: runtime: the time limit of 5 min is too short: the job is asked to "
            "stop 5 min before, when it has hardly started. Give at least 7 min",
        ),
    ],
)
def test_what_it_cannot_do_is_named_with_the_remedy(request_, message):
    with pytest.raises(InputError, match=message):
        check_requests([Request("simulate_batch"), request_], PARTITIONS)


def test_gpu_where_no_partition_has_any():
    with pytest.raises(InputError, match="No partition has any: set gpu: 0 for train_network"):
        check_requests([Request("train_network", gpus=True)], read_partitions("main*|infinite|\n"))


def test_a_cluster_that_does_not_answer_is_not_judged():
    check_requests([Request("train_network", ("any",), True, 10000, 300)], [])


def test_slurm_must_be_there_for_jobs_that_are_submitted(monkeypatch):
    monkeypatch.setattr(cluster.shutil, "which", lambda _: None)
    check_jobs([job(is_local=True)])
    with pytest.raises(InputError, match=r"there is no sbatch on this computer\. Start the run"):
        check_jobs([job(is_local=True), job()])


def test_sinfo_that_fails_leaves_everything_to_sbatch(monkeypatch):
    monkeypatch.setattr(cluster.shutil, "which", lambda _: "/usr/bin/sbatch")
    monkeypatch.setattr(
        cluster.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(OSError("no sinfo"))
    )
    check_jobs([job(slurm_partition="any")])

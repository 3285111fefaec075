"""Times of networks from smaller patches, and methods with stand-ins."""

import pytest
import torch

from smrestore.methods.network import NetworkMethod
from smrestore.networks import build_network
from smrestore.networks.cost import flops
from smrestore.planning.networks import Forwards, StandIn, reduced, seconds_with
from smrestore.tasks.degradation import Degraded


@pytest.fixture
def network():
    return build_network("dncnn", 2, features=8, depth=5)


def test_cheap_batches_are_measured_as_they_are(network):
    assert reduced(network, (4, 2, 16, 16), 1e12) == ((4, 2, 16, 16), 1.0)


def test_a_batch_is_cut_before_its_patches(network):
    whole = 32, 2, 40, 40
    small, ratio = reduced(network, whole, flops(network, whole) / 7.9)
    assert small == (4, 2, 40, 40)
    assert ratio == pytest.approx(8)


@pytest.mark.parametrize("training", [False, True])
def test_patches_shrink_where_a_single_one_takes_too_long(network, training):
    whole = 1, 2, 64, 128
    most = flops(network, whole, training=training) / 4
    small, ratio = reduced(network, whole, most, training=training)
    assert small[0] == 2
    assert all(side % 8 == 0 for side in small[2:])
    assert flops(network, small, training=training) <= most
    assert ratio == pytest.approx(64 * 128 / (2 * small[2] * small[3]))


def test_the_smallest_patches_suit_a_norm_over_the_batch():
    network = build_network("pconv-unet", 2, channels=[2, 4, 4, 4], norm="batch")
    small, ratio = reduced(network, (16, 2, 64, 64), 1.0, training=True)
    assert small == (2, 2, 16, 16)
    assert ratio == pytest.approx(8 * 16, rel=0.05)


def test_a_method_with_a_stand_in_asks_for_the_same_batches(network):
    stand_in = StandIn(network)
    method = NetworkMethod(stand_in, 2, 16, 1, canonical=False)
    items = [Degraded(torch.randn(9, 7, 1).numpy().astype("complex64"), 0.1) for _ in range(3)]
    restored = method(items)
    assert [image.shape for image in restored] == [(9, 7, 1)] * 3
    assert dict(stand_in.asked) == {(3, 2, 16, 16): 1}


def test_super_resolution_keeps_its_sizes():
    stand_in = StandIn(build_network("smrnet", 2, features=4, blocks=1, growth=4))
    image = torch.ones(1, 2, 5, 6)
    assert stand_in(image, image[:, :1]).shape == (1, 2, 10, 12)


def test_what_a_stand_in_was_asked_for_counts_as_often(network, monkeypatch):
    stand_in = StandIn(network)
    forwards = Forwards()
    monkeypatch.setattr(forwards, "seconds", lambda kind, network, shape: 100.0 * shape[0])
    images = torch.ones(2, 2, 8, 8)

    def work():
        stand_in(images, images[:, :1])
        stand_in(images, images[:, :1])

    for _ in range(2):
        assert seconds_with(work, [("dncnn", stand_in)], forwards) == pytest.approx(400, abs=1)


def test_each_kind_and_shape_is_measured_once(network, monkeypatch):
    measured = []
    monkeypatch.setattr(
        "smrestore.planning.networks._measured",
        lambda network, shape: measured.append(shape) or 1.0,
    )
    forwards = Forwards()
    shape = 2, 2, 16, 16
    assert forwards.seconds("a", network, shape) == forwards.seconds("a", network, shape) == 1.0
    assert forwards.seconds("b", network, shape) == 1.0
    assert measured == [shape, shape]

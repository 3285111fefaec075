"""Networks for planes that denoise volumes, and components without padding."""

import dataclasses

import numpy as np
import pytest
import torch
from small_networks import small_network

from smrestore.methods.network import NetworkMethod
from smrestore.methods.options import Inference
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Degraded


class Record(torch.nn.Module):
    """Changes nothing and keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, image, mask, sigma):
        self.seen.append((image.clone(), mask.clone(), sigma.clone()))
        return image


class Smooth(torch.nn.Module):
    """Mean over each plane."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image, mask, sigma):
        total = mask.sum((2, 3), keepdim=True)
        return (image.sum((2, 3), keepdim=True) / total).expand_as(image)


def noisy(shape, seed=0):
    rng = np.random.default_rng(seed)
    image = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    return image / np.abs(image).max()


def test_planes_across_all_axes_are_averaged():
    image = noisy((5, 6, 7))
    method = NetworkMethod(Smooth(), 2, 8, 1, False)
    (restored,) = method([Degraded(image, 0.1)])
    planes = [image.mean(axes, keepdims=True) for axes in ((1, 2), (0, 2), (0, 1))]
    np.testing.assert_allclose(restored, sum(planes) / 3, atol=1e-6)


def test_each_plane_has_unit_maximum_and_its_own_noise():
    image, network = noisy((5, 4, 6)), Record()
    method = NetworkMethod(network, 2, 8, 1, False)
    (restored,) = method([Degraded(image, 0.1)])
    np.testing.assert_allclose(restored, image, atol=1e-6)
    found = sorted(
        (magnitude, level)
        for images, _, sigma in network.seen
        for magnitude, level in zip(
            torch.hypot(images[:, 0], images[:, 1]).amax((1, 2)).tolist(),
            sigma.tolist(),
            strict=True,
        )
    )
    assert len(found) == sum(image.shape)
    maxima = [
        np.abs(np.take(image, k, axis)).max() for axis in range(3) for k in range(image.shape[axis])
    ]
    np.testing.assert_allclose([m for m, _ in found], 1, rtol=1e-5)
    np.testing.assert_allclose(
        sorted(level for _, level in found), np.sort(0.1 / np.array(maxima)), rtol=1e-5
    )


def test_thin_planes_are_left_out():
    network = Record()
    (restored,) = NetworkMethod(network, 2, 1, 1, False)([Degraded(noisy((6, 5, 3)), 0.1)])
    assert {tuple(images.shape[2:]) for images, _, _ in network.seen} == {(6, 5)}
    np.testing.assert_allclose(restored, noisy((6, 5, 3)), atol=1e-6)
    network.seen.clear()
    NetworkMethod(network, 2, 1, 1, False)([Degraded(noisy((3, 3, 2)), 0.1)])
    assert {tuple(images.shape[2:]) for images, _, _ in network.seen} == {(3, 3)}


def test_an_empty_plane_stays_empty():
    image = noisy((5, 5, 5))
    image[2] = 0
    (restored,) = NetworkMethod(Smooth(), 2, 8, 1, False)([Degraded(image, 0.1)])
    assert np.isfinite(restored).all()


def test_tiles_of_planes():
    image = noisy((13, 9, 5))
    method = NetworkMethod(Record(), 2, 8, 1, True, Inference(tile=True))
    (restored,) = method([Degraded(image, 0.1)])
    np.testing.assert_allclose(restored, image, atol=1e-5)


def test_other_tasks_need_a_network_for_volumes():
    image = noisy((5, 5, 5))
    method = NetworkMethod(Record(), 2, 8, 1, False)
    with pytest.raises(InputError, match=r"volumes only by denoising; the grid has \(5, 5, 5\)"):
        method([Degraded(image, 0.1, missing=np.zeros(image.shape, bool))])


def test_a_network_for_volumes_refuses_planes():
    method = NetworkMethod(Record(), 3, 8, 1, False)
    with pytest.raises(InputError, match=r"restores volumes, and the grid has \(5, 6, 1\)"):
        method([Degraded(noisy((5, 6, 1)), 0.1)])
    (restored,) = method([Degraded(noisy((5, 6, 2)), 0.1)])
    np.testing.assert_allclose(restored, noisy((5, 6, 2)), atol=1e-6)


@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize("name", ["unet", "rdn", "dncnn", "swinir"])
def test_no_padding_where_it_does_not_matter(name, canonical):
    torch.manual_seed(0)
    network = small_network(name, 2, mask_features=True).eval()
    method = NetworkMethod(network, 2, 16, 1, canonical, padded=False)
    items = [Degraded(noisy(shape), 0.1) for shape in ((7, 5, 1), (4, 9, 1), (7, 5, 1))]
    plain = dataclasses.replace(method, padded=True)
    for found, expected in zip(method(items), plain(items), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-6)

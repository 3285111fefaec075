"""The parts of benchmarks/guided.py: what its network sees and answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from checkout import load_benchmark
from smrestore.support.errors import InputError


@pytest.fixture(scope="module")
def benchmark():
    """Return the script as a module."""
    return load_benchmark("guided")


@pytest.fixture
def examples(benchmark):
    """Return three components on a grid that is no multiple of the cells of the network."""
    rng = np.random.default_rng(1)
    x, y = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-1, 3, 7), indexing="ij")
    truth = np.stack([np.sin(k * x) * np.cos(y) * np.exp(1j * k) for k in (1, 2, 3)])
    noise = 0.1 * (rng.normal(size=truth.shape) + 1j * rng.normal(size=truth.shape)) / np.sqrt(2)
    model = 0.9 * truth * (1 + 0.1 * x)
    return benchmark.Examples(
        *(a.astype(np.complex64) for a in (truth, truth + noise, model, model + 0.3 * noise)),
        np.full(3, 0.1, np.float32),
        np.full(3, 0.05, np.float32),
    )


@pytest.fixture
def network(benchmark):
    """Return a network whose last layer is not zero."""
    torch.manual_seed(1)
    network = benchmark.Guided([4, 8], 1)
    torch.nn.init.normal_(network.last.weight)
    return network.eval()


def test_a_new_network_returns_model_and_measurement(benchmark, examples):
    np.testing.assert_allclose(
        benchmark.guided(benchmark.Guided([4, 8], 1), examples), examples.combined, atol=1e-7
    )


def test_corrections_are_in_units_of_the_expected_error(benchmark, examples, network):
    change = benchmark.guided(network, examples) - examples.combined
    assert np.abs(change).max() > 1e-3
    wanted = benchmark.tensors(examples).wanted.numpy()
    error = np.sqrt(np.mean(np.sum(wanted**2, axis=1), axis=(1, 2)))
    difference = np.abs(examples.truth - examples.combined) ** 2
    expected = np.sqrt(np.mean(difference, axis=(1, 2))) / examples.expected
    np.testing.assert_allclose(error, expected, rtol=1e-4)


@pytest.mark.parametrize("factor", [3.0, np.exp(0.7j), -1.0])
def test_a_multiple_of_a_component_gives_a_multiple(benchmark, examples, network, factor):
    images = {
        name: (factor * getattr(examples, name)).astype(np.complex64)
        for name in ("truth", "measured", "model", "combined")
    }
    levels = {
        name: (abs(factor) * getattr(examples, name)).astype(np.float32)
        for name in ("noise", "expected")
    }
    turned = benchmark.guided(network, replace(examples, **images, **levels))
    np.testing.assert_allclose(turned, factor * benchmark.guided(network, examples), atol=2e-3)


def test_padding_changes_nothing(benchmark, examples, network):
    (group,) = benchmark.grouped([examples])
    alone = benchmark.tensors(examples)
    with torch.inference_mode():
        padded = network(group.signed, group.planes, group.mask)[:, :, :9, :7]
        whole = network(alone.signed, alone.planes, alone.mask)
    torch.testing.assert_close(padded, whole, atol=1e-4, rtol=1e-4)


def test_scans_that_cannot_be_fitted_are_drawn_again_a_few_times(benchmark, monkeypatch):
    def refuse(rng, hard):
        raise InputError("too few components")

    monkeypatch.setattr(benchmark, "draw_scan", refuse)
    with pytest.raises(SystemExit, match="none of 5 drawn scans"):
        benchmark.usable_scan(True, 1, "test")

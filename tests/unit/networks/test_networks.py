"""What all architectures promise: size, shapes, gradients, masks, files."""

import math

import pytest
import torch
from small_networks import SMALL, small_network
from torch.nn import functional

from smrestore.networks import NETWORKS, build_network
from smrestore.networks.layers import AlignedInterpolation
from smrestore.networks.swinir import WindowAttention
from smrestore.networks.weights import load_model, save_model
from smrestore.support.errors import InputError

CASES = [(name, d) for name, network in NETWORKS.items() for d in network.dimensions]

MASKED = [
    ("dncnn", 2, {"mask_features": True}),
    ("dncnn", 3, {"mask_features": True, "batch_norm": False}),
    ("rdn", 2, {"mask_features": True}),
    ("rdn", 3, {"mask_features": True}),
    ("swinir", 2, {"mask_features": True}),
    ("smrnet", 2, {"mask_features": True, "factor": 2}),
    ("smrnet", 3, {"mask_features": True, "factor": 2}),
    ("smrnet", 2, {"mask_features": True, "factor": 4, "interpolation_skip": True}),
    ("unet", 2, {"mask_features": True, "bias": True}),
    ("unet", 3, {"mask_features": True, "bias": True}),
    ("unet", 2, {"mask_features": True, "bias": True, "cell": 2}),
    ("unet", 3, {"mask_features": True, "cell": 3}),
]
"""Settings under which a network does not see the padding."""


def sample(dimension: int, batch: int = 2, size: tuple[int, ...] = (7, 5, 6)):
    size = size[:dimension]
    return torch.randn(batch, 2, *size), torch.ones(batch, 1, *size), torch.full((batch,), 0.3)


@torch.no_grad()
def disturb(network: torch.nn.Module) -> torch.nn.Module:
    """Move all weights off their initial values, so that biases and norms are not neutral."""
    for parameter in network.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    return network


COUNTS = [
    ("dncnn", 2, {}, 557_250),
    ("dncnn", 3, {}, 1_667_778),
    ("dncnn", 2, {"depth": 20}, 668_226),
    ("dncnn", 3, {"depth": 20}, 1_999_938),
    ("dncnn", 2, {"batch_norm": False}, 556_290),
    ("dncnn", 3, {"batch_norm": False}, 1_666_818),
    ("dncnn", 2, {"mask_features": True}, 557_250),
    ("dncnn", 2, {"features": 16, "depth": 6}, 9_938),
    ("dncnn", 3, {"features": 16, "depth": 6}, 29_522),
    ("rdn", 2, {}, 21_974_530),
    ("rdn", 3, {}, 64_593_922),
    ("rdn", 2, {"blocks": 20, "layers": 6, "growth": 32}, 5_467_650),
    ("rdn", 3, {"blocks": 20, "layers": 6, "growth": 32}, 15_572_994),
    ("rdn", 2, {"blocks": 8, "layers": 6, "growth": 32}, 2_232_834),
    ("rdn", 3, {"blocks": 8, "layers": 6, "growth": 32}, 6_366_210),
    ("rdn", 2, {"blocks": 8, "layers": 6, "growth": 16, "features": 32}, 559_362),
    ("rdn", 3, {"blocks": 8, "layers": 6, "growth": 16, "features": 32}, 1_593_858),
    ("rdn", 2, {"blocks": 4, "layers": 4, "growth": 12, "features": 12}, 58_610),
    ("rdn", 3, {"blocks": 4, "layers": 4, "growth": 12, "features": 12}, 168_338),
    ("rdn", 2, {"blocks": 3, "layers": 3, "growth": 8, "features": 16}, 23_610),
    ("rdn", 3, {"blocks": 3, "layers": 3, "growth": 8, "features": 16}, 65_082),
    ("swinir", 2, {}, 11_500_922),
    ("swinir", 2, {"features": 60, "depths": [6] * 4}, 904_202),
    ("swinir", 2, {"features": 96, "depths": [6] * 4}, 2_246_354),
    ("swinir", 2, {"features": 24, "depths": [2, 2], "heads": 2}, 37_898),
    ("smrnet", 2, {}, 6_587_970),
    ("smrnet", 2, {"factor": 4}, 6_624_898),
    ("smrnet", 3, {}, 19_753_026),
    ("smrnet", 3, {"factor": 4}, 19_863_682),
    ("smrnet", 2, {"features": 32, "blocks": 4, "growth": 16}, 748_930),
    ("smrnet", 2, {"features": 32, "blocks": 4, "growth": 16, "factor": 4}, 758_178),
    ("smrnet", 3, {"features": 32, "blocks": 4, "growth": 16}, 2_244_226),
    ("smrnet", 3, {"features": 32, "blocks": 4, "growth": 16, "factor": 4}, 2_271_906),
    ("smrnet", 2, {"features": 16, "blocks": 1, "growth": 8}, 52_626),
    ("smrnet", 2, {"features": 16, "blocks": 1, "growth": 8, "factor": 4}, 54_946),
    ("smrnet", 3, {"features": 16, "blocks": 1, "growth": 8}, 157_458),
    ("smrnet", 3, {"features": 16, "blocks": 1, "growth": 8, "factor": 4}, 164_386),
    ("pconv-unet", 3, {}, 2_907_982),
    ("pconv-unet", 3, {"kernels": [7, 5, 3, 3]}, 3_128_910),
    ("pconv-unet", 3, {"channels": [64, 128, 256, 512]}, 11_621_934),
    ("pconv-unet", 3, {"channels": [64, 128, 256, 512], "kernels": [7, 5, 5, 3]}, 15_676_462),
    ("pconv-unet", 3, {"channels": [32, 64, 128]}, 695_374),
    ("pconv-unet", 3, {"channels": [8, 16, 32]}, 44_326),
    # A public implementation with 25 776 038 has no bias in its first layer.
    (
        "pconv-unet",
        2,
        {"channels": [64, 128, 256, 512, 512, 512, 512], "kernels": [7, 5, 5, 3, 3, 3, 3]},
        25_776_038 + 64,
    ),
    ("unet", 2, {"channels": [64, 128, 256, 512], "blocks": 4}, 32_639_808),
    ("unet", 3, {"channels": [64, 128, 256, 512], "blocks": 4}, 96_543_168),
    ("unet", 2, {}, 1_063_632),
    ("unet", 3, {}, 3_104_880),
]


@pytest.mark.parametrize(("name", "dimension", "sizes", "count"), COUNTS)
def test_parameter_counts(name, dimension, sizes, count):
    with torch.device("meta"):
        network = build_network(name, dimension, **sizes)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize(("name", "dimension"), CASES)
@pytest.mark.parametrize("size", [(1, 1, 1), (2, 3, 1), (4, 3, 2), (9, 5, 4), (10, 16, 3)])
def test_any_grid_size(name, dimension, size):
    network = small_network(name, dimension).eval()
    image, mask, sigma = sample(dimension, size=size)
    with torch.no_grad():
        output = network(image, mask, sigma)
    assert output.shape == (2, 2, *(network.factor * n for n in size[:dimension]))
    assert output.isfinite().all()


@pytest.mark.parametrize("factor", [2, 4])
def test_factor_of_super_resolution(factor):
    network = small_network("smrnet", 3, factor=factor)
    image, mask, sigma = sample(3)
    assert network.factor == factor
    assert network(image, mask, sigma).shape == (2, 2, 7 * factor, 5 * factor, 6 * factor)


GRADIENT_CASES = [
    *((name, dimension, {}) for name, dimension in CASES),
    *MASKED,
    ("dncnn", 2, {"batch_norm": False}),
    ("unet", 2, {"mask_features": False, "blind": True}),
    ("unet", 3, {"mask_features": False, "cell": 2}),
    ("pconv-unet", 2, {"norm": "group", "known_skip": True}),
    ("pconv-unet", 3, {"norm": "none"}),
]


@pytest.mark.parametrize(("name", "dimension", "sizes"), GRADIENT_CASES)
def test_gradients_reach_every_parameter(name, dimension, sizes):
    network = small_network(
        name, dimension, **{"drop_path": 0.0} if name == "swinir" else {}, **sizes
    )
    output = network(*sample(dimension, batch=4, size=(9, 10, 8)))
    (output - 1).abs().mean().backward()
    for parameter_name, parameter in network.named_parameters():
        # A constant added to all keys of a query leaves the attention as it is.
        if parameter_name.endswith("qkv.bias"):
            queries, _, values = parameter.grad.chunk(3)
            assert queries.abs().max() > 0 and values.abs().max() > 0
        else:
            assert parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize(("name", "dimension", "sizes"), MASKED)
@pytest.mark.parametrize("training", [True, False])
def test_masked_features_make_padding_irrelevant(name, dimension, sizes, training):
    """In training, too, as far as nothing is random: batch statistics leave the padding out."""
    sizes = {**sizes, "drop_path": 0.0} if name == "swinir" else sizes
    network = disturb(small_network(name, dimension, **sizes)).double().train(training)
    size = (6, 5, 7)[:dimension]
    image, mask, sigma = sample(dimension, size=size)
    image, mask, sigma = image.double(), mask.double(), sigma.double()
    factor = network.factor
    with torch.no_grad():
        alone = network(image, mask, sigma)
        for before, after in ((0, 3), (3, 0), (4, 9), (5, 2)):
            widths = [before, after] * dimension
            padded = network(functional.pad(image, widths), functional.pad(mask, widths), sigma)
            place = [slice(factor * before, factor * (before + n)) for n in size]
            torch.testing.assert_close(padded[(..., *place)], alone, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "dimension", "sizes"), MASKED)
def test_masked_features_keep_samples_apart(name, dimension, sizes):
    """Each sample may lie elsewhere in the patch, and what is masked has no influence."""
    network = disturb(small_network(name, dimension, **sizes)).double().eval()
    size, patch, factor = (3, 4, 3)[:dimension], 8, network.factor
    image = torch.randn(1, 2, *size, dtype=torch.float64)
    offsets = torch.tensor([[0, 1, 2], [4, 3, 1], [5, 4, 5]])[:, :dimension]
    padded = torch.randn(3, 2, *[patch] * dimension, dtype=torch.float64)
    mask = torch.zeros(3, 1, *[patch] * dimension, dtype=torch.float64)
    places = []
    for i, offset in enumerate(offsets.tolist()):
        place = tuple(slice(o, o + n) for o, n in zip(offset, size, strict=True))
        padded[(i, ..., *place)], mask[(i, ..., *place)] = image[0], 1
        places.append(
            tuple(slice(factor * o, factor * (o + n)) for o, n in zip(offset, size, strict=True))
        )
    with torch.no_grad():
        output = network(padded, mask, torch.full((3,), 0.3, dtype=torch.float64))
    results = [output[(i, ..., *place)] for i, place in enumerate(places)]
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["dncnn", "rdn", "swinir", "smrnet", "unet"])
def test_plain_features_depend_on_padding(name):
    sizes = {"bias": True, "mask_features": False} if name == "unet" else {}
    network = disturb(small_network(name, 2, **sizes)).eval()
    image, mask, sigma = sample(2, size=(6, 6))
    widths, place = [3, 3, 3, 3], slice(3 * network.factor, 9 * network.factor)
    with torch.no_grad():
        padded = network(functional.pad(image, widths), functional.pad(mask, widths), sigma)
        difference = padded[..., place, place] - network(image, mask, sigma)
    assert difference.abs().max() > 1e-4


@pytest.mark.parametrize("name", ["dncnn", "rdn", "swinir", "unet"])
def test_start_at_the_identity(name):
    image, mask, sigma = sample(2)
    network = small_network(name, 2, zero_last=True)
    torch.testing.assert_close(network(image, mask, sigma), image, rtol=0, atol=0)
    assert not torch.allclose(small_network(name, 2)(image, mask, sigma), image)


@pytest.mark.parametrize("name", ["rdn", "swinir"])
@pytest.mark.parametrize("mask_features", [True, False])
def test_checkpoints_change_memory_only(name, mask_features):
    """Random paths are drawn again as they were."""
    image, mask, sigma = sample(2, size=(9, 8))
    gradients, kept = [], []
    for checkpoint in (False, True):
        torch.manual_seed(1)
        sizes = {"drop_path": 0.5} if name == "swinir" else {"layers": 6}
        sizes |= {"checkpoint": checkpoint, "mask_features": mask_features}
        network = small_network(name, 2, **sizes).train()
        saved = []

        def pack(tensor, saved=saved):
            saved.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = network(image, mask, sigma).square().mean()
        kept.append(sum(saved))
        loss.backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain, rtol=0, atol=0)
    assert kept[1] < kept[0] / 2


@torch.no_grad()
def transpose_weights(network: torch.nn.Module, dimension: int) -> None:
    """Exchange the first two axes of the grid in all weights."""
    for parameter in network.parameters():
        if parameter.ndim == 2 + dimension:
            parameter.copy_(parameter.transpose(2, 3).clone())
    if side := getattr(network, "cell", 0):
        # Voxels of a cell are channels.
        for weight, axis in ((network.first.weight, 1), (network.last.weight, 0)):
            split = weight.unflatten(axis, (-1, side, side, side ** (dimension - 2)))
            weight.copy_(split.transpose(axis + 1, axis + 2).flatten(axis, axis + 3).clone())
        if network.last.bias is not None:
            split = network.last.bias.unflatten(0, (-1, side, side, side ** (dimension - 2)))
            network.last.bias.copy_(split.transpose(1, 2).flatten().clone())
    for module in network.modules():
        if isinstance(module, WindowAttention):
            table = module.position_bias.clone()
            side = math.isqrt(len(table))
            table = table.reshape(side, side, -1).transpose(0, 1)
            module.position_bias.copy_(table.reshape(side**2, -1))


@pytest.mark.parametrize(("name", "dimension", "sizes"), [*((*c, {}) for c in CASES), *MASKED])
def test_axes_are_not_confused(name, dimension, sizes):
    """Exchanging two axes of images and weights exchanges them in results."""
    network = disturb(small_network(name, dimension, **sizes)).double().eval()
    image, mask, sigma = (tensor.double() for tensor in sample(dimension, size=(5, 9, 6)))
    mask[:, :, :2] = 0
    with torch.no_grad():
        expected = network(image * mask, mask, sigma).transpose(2, 3)
        transpose_weights(network, dimension)
        output = network((image * mask).transpose(2, 3), mask.transpose(2, 3), sigma)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("blind", [True, False])
def test_unet_scales_with_image_and_noise(dimension, blind):
    network = disturb(small_network("unet", dimension, blind=blind)).eval()
    image, mask, sigma = sample(dimension)
    with torch.no_grad():
        expected = 8 * network(image, mask, sigma)
        torch.testing.assert_close(network(8 * image, mask, 8 * sigma), expected)
        told = not torch.allclose(network(8 * image, mask, sigma), expected)
        biased = disturb(small_network("unet", dimension, blind=blind, bias=True)).eval()
        same = torch.allclose(biased(8 * image, mask, 8 * sigma), 8 * biased(image, mask, sigma))
    assert told == (not blind)
    assert not same


@pytest.mark.parametrize("mask_features", [True, False])
def test_correction_fades_with_the_noise(mask_features):
    sizes = {"fades_below": 0.2, "mask_features": mask_features}
    network = disturb(small_network("unet", 2, **sizes)).eval()
    image, mask, _ = sample(2)
    known = image * mask
    size = (known.square().sum((1, 2, 3)) / mask.sum((1, 2, 3))).sqrt()
    with torch.no_grad():
        # Noise that is so many times the image.
        same, little, double, much = (
            known - network(known, mask, share * size) for share in (0.0, 1e-4, 2e-4, 50.0)
        )
        network.fades_below = None
        plain = known - network(known, mask, 50.0 * size)
        scaled = small_network("unet", 2, **sizes).eval()
        expected = 8 * scaled(known, mask, 0.1 * size)
        torch.testing.assert_close(scaled(8 * known, mask, 0.8 * size), expected)
    assert not same.any()
    assert little.abs().max() > 0
    torch.testing.assert_close(double, 2 * little, rtol=0.02, atol=2e-6)
    torch.testing.assert_close(much, plain, rtol=1e-3, atol=1e-5)
    with pytest.raises(InputError, match="fades_below: a network that is not told"):
        small_network("unet", 2, fades_below=0.2, blind=True)


def test_unet_must_be_told_the_noise_level():
    image, mask, _ = sample(2)
    with pytest.raises(InputError, match=r"network unet: the noise level.*blind: true"):
        small_network("unet", 2)(image, mask)
    assert small_network("unet", 2, blind=True)(image, mask).shape == image.shape


@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"unet"}))
def test_published_networks_do_not_use_the_noise_level(name):
    network = small_network(name, 2).eval()
    image, mask, sigma = sample(2)
    with torch.no_grad():
        assert torch.equal(network(image, mask), network(image, mask, sigma))


@pytest.mark.parametrize("factor", [2, 4])
def test_interpolation_skip_is_added(factor):
    image, mask, _ = sample(3)
    mask[:, :, 5:] = 0
    network = small_network("smrnet", 3, factor=factor, interpolation_skip=True)
    published = small_network("smrnet", 3, factor=factor)
    published.load_state_dict(network.state_dict())
    difference = network(image, mask) - published(image, mask)
    torch.testing.assert_close(difference, AlignedInterpolation(3, factor)(image, mask))


def test_initial_weights_of_smrnet_are_small():
    weight = build_network("smrnet", 2).trunk.weight
    assert weight.std().item() == pytest.approx(0.1 * (2 / (64 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize(("name", "dimension"), CASES)
def test_half_precision_stays_close(name, dimension):
    network = small_network(name, dimension).eval()
    image, mask, sigma = sample(dimension, size=(8, 9, 5))
    with torch.no_grad():
        exact = network(image, mask, sigma)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(image, mask, sigma)
    assert (rough.float() - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize(("name", "dimension"), CASES)
def test_weights_survive_a_file(name, dimension, tmp_path):
    network = disturb(small_network(name, dimension)).train()
    arguments = sample(dimension, size=(9, 8, 8))
    network(*arguments)  # moves running statistics
    settings = {
        "task": "denoising",
        "degradation": {},
        "network": {"name": name, **SMALL[name]},
        "dimension": dimension,
        "phase": "raw",
        "patch": 8,
    }
    save_model(network, {"settings": settings}, tmp_path / "weights.safetensors")
    loaded, _ = load_model(tmp_path / "weights.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(loaded(*arguments), network.eval()(*arguments), rtol=0, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_state_is_parameters_and_statistics_only(name):
    """Tables of indices or windows in a state would be averaged with the weights."""
    network = small_network(name, 2)
    parameters = {key for key, _ in network.named_parameters()}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    extra = {key for key in network.state_dict() if key not in parameters}
    assert all(key.endswith(statistics) for key in extra)
    assert all(p.is_floating_point() for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_unknown_size_is_named(name):
    with pytest.raises(InputError, match=rf"network {name}.*breadth"):
        build_network(name, 2, breadth=3)


def test_unknown_network_and_dimension_are_named():
    with pytest.raises(InputError, match=r"unknown network 'restormer'.*dncnn.*unet"):
        build_network("restormer", 2)
    with pytest.raises(InputError, match=r"dimension: network swinir does not exist.*dimension 3"):
        build_network("swinir", 3)
    with pytest.raises(InputError, match=r"dncnn does not exist in dimension 1\. Use .* 2 or 3"):
        build_network("dncnn", 1)


@pytest.mark.parametrize(
    ("name", "sizes", "message"),
    [
        ("swinir", {"features": 10, "heads": 3}, r"10 features.*3 heads\. Make features"),
        ("smrnet", {"factor": 3}, r"factor: unknown 3.*2, 4"),
        ("pconv-unet", {"kernels": [3]}, r"kernels.*1 kernels for 4 levels"),
        ("pconv-unet", {"kernels": [3, 4, 3, 3]}, r"kernels\[1\]: unknown 4"),
        ("pconv-unet", {"norm": "layer"}, r"norm: unknown 'layer'.*batch, group, none"),
    ],
)
def test_sizes_that_do_not_fit_are_named(name, sizes, message):
    with pytest.raises(InputError, match=message):
        build_network(name, 2, **sizes)

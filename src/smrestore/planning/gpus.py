"""Trainings on a GPU that is not here: rates of arithmetic that were measured on one."""

from collections.abc import Mapping

H100_FLOPS = {"dncnn": 9.2e13, "rdn": 2.0e14, "swinir": 2.5e13, "unet": 1.4e14}
"""Operations per s of training steps in bf16 on an H100, by network: those of
:func:`smrestore.networks.cost.flops` over the times of "same batch again" in docs/training.md."""
OTHER_FLOPS = H100_FLOPS["dncnn"]
"""Of networks whose rate was not measured: assumed as the lowest of convolutional ones."""
OVER_H100 = {"h100": 1.0, "a100": 312 / 989}
"""Speed of cards over that of an H100, by the peak of dense bf16 products in their data sheets: 989
TFlop/s (H100 SXM) and 312 TFlop/s (A100)."""
FEEDING = 8
"""Cores that make samples, those of ``train_network`` in profiles/slurm."""
MADE_BYTES = 3.6e7
"""Bytes of samples that a core makes and hands over per s: 16 of them made 5000 samples of 64 x 64
voxels, 115 kB each (docs/training.md)."""


def gpu_seconds(card: str, network: str, operations: float) -> float:
    """Return the time that training steps of so many floating-point operations take, in s.

    Parameters
    ----------
    card
        A key of ``OVER_H100``.
    network
        Name of a network; the rate of others is assumed.
    operations
        Of forward and backward pass.
    """
    return operations / (OVER_H100[card] * H100_FLOPS.get(network, OTHER_FLOPS))


def making_seconds(n_bytes: float) -> float:
    """Return the processor time that a sample of so many bytes takes beside a GPU, in s."""
    return n_bytes / MADE_BYTES


def gpu_note(card: str, experiments: Mapping[str, dict]) -> str:
    """Return a line for readers that says what the GPU hours of these experiments rest on."""
    networks = {entry["network"]["name"] for entry in experiments.values()}
    text = f"GPU hours are estimated for one {card.upper()} with {FEEDING} cores, not measured here"
    if OVER_H100[card] != 1:
        text += "; its speed over that of an H100 is assumed to be that of their data sheets"
    if guessed := sorted(networks - H100_FLOPS.keys()):
        text += f"; the speed of {', '.join(guessed)}, and of all networks in 3D, is assumed"
    return text

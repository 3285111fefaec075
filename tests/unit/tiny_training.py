"""The recipe of a training of seconds."""

from smrestore.training.settings import TrainingSettings

TRAINING = TrainingSettings(
    task="denoising",
    dimension=2,
    network={"name": "dncnn", "features": 4, "depth": 3},
    phase="canonical",
    patch=12,
    sigma=(0.0, 0.3),
    sigma_convention="complex",
    scale=(0.5, 1.0),
    steps=6,
    batch_size=3,
    learning_rate=1e-3,
    interval=2,
    validation_pairs=4,
)

"""Time biharmonic inpainting of 1000 components of 25 x 21 x 27 voxels, 10 % of them missing.

scikit-image is timed on a few components, one after the other, and extrapolated to all.
"""

import time

import numpy as np
import pandas as pd
from skimage.restoration import inpaint_biharmonic as reference

from smrestore.methods.biharmonic import inpaint_biharmonic, inpaint_biharmonic_each
from smrestore.support.seeds import generator
from smrestore.tasks.masks import random_mask

SIZE = (25, 21, 27)
RATIO = 0.1
COMPONENTS = 1000
TIMED = 12
"""Components that scikit-image is given."""


def loop(images: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """Return the results of scikit-image, real and imaginary part as its two channels."""
    results = []
    for image, mask in zip(images, masks, strict=True):
        channels = np.stack([image.real, image.imag], axis=-1)
        filled = reference(channels, mask, channel_axis=-1)
        results.append(filled[..., 0] + 1j * filled[..., 1])
    return np.array(results)


def timed(function, *arguments) -> tuple[float, np.ndarray]:
    """Return seconds, the best of two, and the result."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def main() -> None:
    """Print the table."""
    rng = generator(1, "benchmark", "biharmonic")
    images = rng.normal(size=(COMPONENTS, *SIZE)) + 1j * rng.normal(size=(COMPONENTS, *SIZE))
    masks = [random_mask(SIZE, RATIO, rng) for _ in range(COMPONENTS)]
    few = slice(TIMED)
    rows = []
    for title, arguments, ours in (
        ("one mask for all", (images, masks[0]), inpaint_biharmonic),
        ("one mask each", (images, masks), inpaint_biharmonic_each),
    ):
        own = masks[few] if ours is inpaint_biharmonic_each else [masks[0]] * TIMED
        slow, expected = timed(loop, images[few], own)
        fast, results = timed(ours, *arguments)
        rows.append(
            {
                "": title,
                f"scikit-image, from {TIMED} / s": round(slow * COMPONENTS / TIMED, 1),
                "smrestore / s": round(fast, 2),
                "ratio": round(slow * COMPONENTS / TIMED / fast, 1),
                "largest difference": f"{np.abs(np.array(results[few]) - expected).max():.1e}",
            }
        )
    print(f"{COMPONENTS} components of {SIZE} voxels, {masks[0].sum()} of them missing")
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()

"""Draw figure 3: a restored calibration scan and the phantom it reconstructs."""

import h5py

from smrestore.figures.figure3 import Column, draw_figure3, read_figure3
from smrestore.workflow import job, optional


def _label(image):
    with h5py.File(image) as file:
        return file.attrs["label"]


def main(smk):
    """Map the job to one library call."""
    matrices, images = list(smk.input.matrices), list(smk.input.images)
    columns = [
        Column(_label(image), matrix, image)
        for matrix, image in zip(matrices, images, strict=False)
    ]
    truth = optional(smk.input.truth)
    data = read_figure3(
        columns,
        components=[(c["channel"], tuple(c["mixing_order"])) for c in smk.params.components],
        truth=truth and Column(_label(images[-1]), truth, images[-1]),
        phantom=optional(smk.input.phantom),
    )
    draw_figure3(data, smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake.log[0]):
        main(snakemake)

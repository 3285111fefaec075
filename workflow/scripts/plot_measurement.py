"""Draw components of a measurement's system matrices, and the images they reconstruct."""

from smrestore.figures.measurement.drawing import draw_measurement_figure
from smrestore.figures.measurement.reading import Column, load_planes, read_measurement_figure
from smrestore.reconstruction.settings import calibration_reading
from smrestore.support.workflow import job, optional
from smrestore.tasks.configured import configured_task


def _columns(smk):
    """Return a column for each system matrix, after the first one what methods see of it."""
    names = smk.params.columns
    columns = [
        Column(names["labels"][variant], matrix, smk.input.images, group=variant)
        for variant, matrix in zip(names["labels"], smk.input.matrices, strict=True)
    ]
    if seen := optional(smk.input.seen):
        task = configured_task(smk.params.task, seen, optional(smk.input.mask))
        image = optional(smk.input.seen_image)
        columns.insert(1, Column(names["seen_label"], seen, image, task, group=names["seen"]))
    return columns


def main(smk):
    """Map the job to one library call."""
    settings = smk.params.settings
    components = settings.get("components")
    content = read_measurement_figure(
        _columns(smk),
        components=components and [(c["channel"], tuple(c["mixing_order"])) for c in components],
        component_planes=load_planes(settings.get("component_planes")),
        image_planes=load_planes(settings.get("image_planes")),
        phantom=optional(smk.input.phantom),
        period=smk.params.period,
        **calibration_reading(**smk.params.reading),
    )
    draw_measurement_figure(content, smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

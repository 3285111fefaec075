"""Draw figure 2: the phantoms."""

from smrestore.figures.figure2 import draw_figure2
from smrestore.scanner import load_phantom
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    phantoms = {name: load_phantom(shapes) for name, shapes in smk.params.phantoms.items()}
    draw_figure2(phantoms, smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

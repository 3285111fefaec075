"""Draw figure 1: examples of simulated components."""

from smrestore.figures.figure1 import Selection, choose_matrices, draw_figure1
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call."""
    settings = smk.params.settings
    store = SystemMatrixStore(list(smk.input))
    orders, channel = tuple(map(tuple, settings["mixing_orders"])), settings["channel"]
    matrices = choose_matrices(store, settings["matrices"], mixing_orders=orders, channel=channel)
    draw_figure1(store, Selection(matrices, orders, channel), smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

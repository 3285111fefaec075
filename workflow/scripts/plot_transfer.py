"""Draw which gains on simulated test sets carry over to the virtual scanner."""

from smrestore.evaluation.transfer.gains import transfer_gains
from smrestore.figures.transfer import TransferPanel, draw_transfer
from smrestore.support.workflow import job


def main(smk):
    """Map the job to one library call for each panel, and one for the figure."""
    panels = [
        TransferPanel(
            panel["title"],
            panel["baseline_label"],
            panel["labels"],
            transfer_gains(
                panel["evaluations"],
                panel["scores"],
                baseline=panel["baseline"],
                methods=list(panel["labels"]),
                sigma_convention=panel["sigma_convention"],
            ),
        )
        for panel in smk.params.panels
    ]
    draw_transfer(panels, smk.output.pdf, smk.output.png)


if "snakemake" in globals():
    with job(snakemake):
        main(snakemake)

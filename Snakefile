# Restoration of magnetic particle imaging system matrices; README.md says how to run it.
#
#   results/parameters/{dataset}/{split}.csv               one row per system matrix
#   results/system_matrices/{dataset}/{split}/{batch}.h5   simulated components
#   results/scans/{scan}.mdf                               empty, calibration and phantom scans
#   results/noise/{pool}.h5, .pdf, .png                    noise by channel and frequency
#   results/models/{experiment}/                           weights, card, history, curve
#   results/evaluation/{test_set}/{method}.csv             one row per component
#   results/tables/{table}.{csv,md,tex}                    ours beside the study's
#   results/fits/{measurement}/{fit}.json                  physics fitted to calibration scans
#   results/restored/{measurement}/{method}.mdf            restored calibration scans
#   results/reconstructions/{measurement}.h5, .csv         images of the phantom
#   results/positions/{study}/{scan}.csv                   quality from parts of the positions
#   results/figures/{figure}.{pdf,png}
#   results/report.html

import os

from snakemake.utils import min_version

min_version("9.20")

# Threads that wait for one another shall not keep cores busy that other jobs could use.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/parameters.smk"
include: "workflow/rules/simulation.smk"
include: "workflow/rules/scans.smk"
include: "workflow/rules/noise.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/restoration.smk"
include: "workflow/rules/reconstruction.smk"
include: "workflow/rules/positions.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    parameters,
    simulate,
    scans,
    noise,
    train,
    evaluate,
    tables,
    restore,
    reconstruct,
    figures,


onstart:
    if workflow.is_main_process:
        try:
            start_run(STATE)
            check_demands()
        except InputError as error:
            raise WorkflowError(str(error)) from None


rule all:
    default_target: True
    input:
        "results/report.html",
        TABLES,
        FIGURES,
        CURVES,
        NOISE_FIGURES,


rule parameters:
    input:
        PARAMETERS,


rule simulate:
    input:
        SYSTEM_MATRICES,


rule scans:
    input:
        SCANS,


rule noise:
    input:
        collect("results/noise/{pool}.h5", pool=config["noise_pools"]),
        NOISE_FIGURES,


rule train:
    input:
        collect("results/models/{experiment}/weights.safetensors", experiment=config["experiments"]),
        CURVES,


rule evaluate:
    input:
        EVALUATIONS,


rule tables:
    input:
        TABLES,


rule restore:
    input:
        RESTORED,


rule reconstruct:
    input:
        RECONSTRUCTIONS,


rule figures:
    input:
        FIGURES,
        CURVES,

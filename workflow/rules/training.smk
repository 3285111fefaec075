# training: system matrices and noise -> networks


include: "inputs/training.smk"


rule train_network:
    input:
        training=get_training_stores,
        validation=lambda wildcards: batches(experiment_of(wildcards)["dataset"], "validation"),
        noise_pool=lambda wildcards: f"results/noise/{experiment_of(wildcards)['noise_pool']}.h5",
    output:
        model="results/models/{experiment}/weights.safetensors",
        card="results/models/{experiment}/card.json",
        last="results/models/{experiment}/last.safetensors",
        best="results/models/{experiment}/best.safetensors",
        history="results/models/{experiment}/history.csv",
    log:
        "results/logs/training/{experiment}.log",
    benchmark:
        "results/benchmarks/training/{experiment}.jsonl"
    conda:
        "../../envs/training.yaml"
    # Trainings run side by side and share the cores: two of one thread each are faster than one
    # after the other with two. The Slurm profile gives each its own cores.
    threads: max(1, os.cpu_count() // len(config["experiments"]))
    resources:
        gpu=1,
    params:
        code=code("train_network"),
        seed=config["seed"],
        recipe=get_recipe,
        names=get_names,
        # Not an output: Snakemake deletes the outputs of interrupted jobs.
        checkpoints="results/models/{experiment}/checkpoints",
    script:
        "../scripts/train_network.py"


rule use_shipped_network:
    input:
        model=lambda wildcards: shipped_weights(SHIPPED[wildcards.shipped]["weights"]),
        card=lambda wildcards: shipped_weights(SHIPPED[wildcards.shipped]["weights"]).with_name(
            "card.json"
        ),
    output:
        model="results/models/{shipped}/weights.safetensors",
        card="results/models/{shipped}/card.json",
    log:
        "results/logs/training/{shipped}.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    shell:
        "cp {input.model:q} {output.model:q} 2> {log:q} && cp {input.card:q} {output.card:q} 2>> {log:q}"


rule plot_training_curve:
    input:
        "results/models/{experiment}/history.csv",
    output:
        pdf="results/models/{experiment}/curve.pdf",
        png=report(
            "results/models/{experiment}/curve.png",
            caption="../report/training_curve.rst",
            category="Training",
            labels={"experiment": "{experiment}"},
        ),
    log:
        "results/logs/training/{experiment}.curve.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_training_curve"),
        label=lambda wildcards: label(wildcards.experiment),
    script:
        "../scripts/plot_training_curve.py"

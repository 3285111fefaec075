# What the rules of parameters.smk depend on.


def get_draw_settings(wildcards):
    keys = ("draws_of", "dimension", "model", "grid", "refinement", "sequence")
    return {key: config["datasets"][wildcards.dataset][key] for key in keys}

"""What all packages share: errors, files, seeds, progress, and the glue to Snakemake."""

#!/usr/bin/env bash
# Installs smrestore itself into a new conda environment. Snakemake runs a copy of this script in the
# working directory, usually the checkout; with `--directory` name the checkout in SMRESTORE_CHECKOUT.
set -euo pipefail

checkout=${SMRESTORE_CHECKOUT:-$PWD}
if [[ ! -f $checkout/src/smrestore/__init__.py ]]; then
    echo "$checkout is no checkout of smrestore: set SMRESTORE_CHECKOUT to its folder" >&2
    exit 1
fi
# Editable, as Snakemake builds the environment once, while the code goes on changing.
python -m pip install --no-deps --editable "$checkout"

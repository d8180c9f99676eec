#!/usr/bin/env bash
# Counts what a training step asks of CUDA, on a machine without a GPU: launches by kernel, memory, copies and
# synchronisations, and, through ptxas, registers, spills and shared memory of every kernel.
#
# The trainer runs under a stand-in for libcuda (crates/cuda_standin) that answers as an H100, executes nothing
# and counts. Nothing printed here is a speed, the losses mean nothing, and the candidates that autotuning
# picks are arbitrary (docs/gpu.md).
#
#   TRAINER=target/release/trainer scripts/cuda_counts.sh --model gpt2-size --batch 16 --length 2048 --dtype bf16
#
#   TRAINER     a trainer built with `--features cuda`
#   CUDA_PATH   a CUDA toolkit 13.0 with bin/ptxas and nvvm/libdevice; scripts/cuda_toolkit.sh gets one if unset
#   CARGO       the cargo that builds the stand-in (default: cargo)
#
# Other arguments: scripts/cuda_counts.py --help.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf 'cuda_counts: %s\n' "$@" >&2
    exit 1
}

[[ -n ${TRAINER:-} ]] || fail "TRAINER is not set: it names a trainer built with --features cuda"
[[ -x $TRAINER ]] || fail "$TRAINER is not there or cannot be executed"
cuda=${CUDA_PATH:-$(scripts/cuda_toolkit.sh)}
[[ -x $cuda/bin/ptxas ]] || fail "$cuda has no bin/ptxas; unset CUDA_PATH to get a toolkit that has"

"${CARGO:-cargo}" build --quiet -p cuda_standin
library=${CARGO_TARGET_DIR:-target}/debug/libcuda_standin.so
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Under both names by which a program looks for the driver.
cp "$library" "$folder/libcuda.so.1"
ln -s libcuda.so.1 "$folder/libcuda.so"

python3 scripts/cuda_counts.py --trainer "$TRAINER" --library "$folder" --cuda "$cuda" "$@"

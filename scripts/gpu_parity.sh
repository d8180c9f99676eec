#!/usr/bin/env bash
# Does a device train as the CPU does? Trains the micro model on both, the CPU in f32, and compares every loss and
# gradient norm. On a machine with a GPU:
#
#     scripts/gpu_parity.sh wgpu            or  wgpu:1, wgpu:cpu (software), cuda (after: FEATURES=cuda)
#
# Environment: STEPS (50), TOLERANCE (relative, 1e-3), FEATURES (cargo features), CONFIG (configs/micro.toml),
# TRAINER (a binary that is built already), PRECISION (of the device: f32; with bf16 raise the TOLERANCE).
# Losses of two devices drift apart as training goes on: rounding differs and training amplifies it.
set -euo pipefail
cd "$(dirname "$0")/.."

device=${1:?usage: scripts/gpu_parity.sh DEVICE}
steps=${STEPS:-50}
tolerance=${TOLERANCE:-1e-3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if [[ -n ${TRAINER:-} ]]; then
    trainer=("$TRAINER")
else
    trainer=(cargo run --quiet -p trainer ${FEATURES:+--features "$FEATURES"} --)
fi
run() {
    "${trainer[@]}" "${CONFIG:-configs/micro.toml}" --device "$1" --name "$2" \
        --set "run.directory=\"$folder\"" --set "train.steps=$steps" --set "train.precision=\"$3\"" \
        --set train.evaluate_every=0 --set train.checkpoint_every=0 >"$folder/$2.out"
    grep '^device ' "$folder/$2.out"
}
run cpu cpu f32
run "$device" device "${PRECISION:-f32}"

# Two columns of each run, step by step: loss and gradient norm.
numbers() {
    sed -n 's/.*"loss":\([^,}]*\).*"gradient_norm":\([^,}]*\).*/\1 \2/p' "$folder/$1/metrics.jsonl"
}
paste -d' ' <(numbers cpu) <(numbers device) | awk -v tolerance="$tolerance" -v steps="$steps" '
    function apart(a, b) { d = a - b; if (d < 0) d = -d; return b < 0 ? d / -b : d / b }
    {
        n++; l = apart($3, $1); g = apart($4, $2)
        if (l > worst) { worst = l; at = n }
        if (g > worst_g) worst_g = g
        if (n == 1 || n == 10 || n == steps) printf "step %-4d loss cpu %.6f device %.6f\n", n, $1, $3
    }
    END {
        if (n != steps) { print "only " n " of " steps " steps"; exit 1 }
        printf "largest relative difference: loss %.2e (step %d), gradient norm %.2e\n", worst, at, worst_g
        if (worst > tolerance) { print "FAILED: more than " tolerance; exit 1 }
        print "passed: within " tolerance
    }'

#!/usr/bin/env bash
# Does a look inside a model show the same on a device as on the CPU? Trains the micro model for some steps on the CPU,
# exports it to the Hugging Face format, looks into the run and into the imported export on both devices, and compares
# every number of anatomy.json. On a machine with a GPU:
#
#     scripts/anatomy_parity.sh wgpu        or  wgpu:1, wgpu:cpu (software), cuda (after: FEATURES=cuda)
#
# Environment: STEPS (50), TOLERANCE (absolute, 1e-3: nats, weights, norms), FEATURES (cargo features), CONFIG
# (configs/micro.toml), TRAINER (a binary that is built already).
set -euo pipefail
cd "$(dirname "$0")/.."

device=${1:?usage: scripts/anatomy_parity.sh DEVICE}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if [[ -n ${TRAINER:-} ]]; then
    trainer=("$TRAINER")
else
    trainer=(cargo run --quiet -p trainer ${FEATURES:+--features "$FEATURES"} --)
fi
"${trainer[@]}" "${CONFIG:-configs/micro.toml}" --device cpu --name run --set "run.directory=\"$folder\"" \
    --set "train.steps=${STEPS:-50}" --set train.evaluate_every=0 >"$folder/run.out"
"${trainer[@]}" export "$folder/run" "$folder/exported" >"$folder/export.out"
for model in "$folder/run" "hf:$folder/exported"; do
    for where in cpu "$device"; do
        files="$folder/$(basename "${model#hf:}")-$where"
        # Small windows: a software device is slow.
        "${trainer[@]}" anatomy "$model" --device "$where" --length 64 --windows 2 --ablation-windows 2 \
            --layer-windows 2 --layers 0 --files "$files" >"$files.out"
        grep '^device ' "$files.out"
    done
done

python3 - "$folder" "$device" "${TOLERANCE:-1e-3}" <<'PYTHON'
import json, math, sys

folder, device, tolerance = sys.argv[1], sys.argv[2], float(sys.argv[3])


def numbers(value, path=""):
    """Every number with where it stands. Intervals are left out: over two windows they magnify rounding by 13."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("interval", "name"):
                yield from numbers(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from numbers(inner, f"{path}[{index}]")
    elif isinstance(value, (int, float)):
        yield path, value


for model in ("run", "exported"):
    cpu, other = (
        list(numbers(json.load(open(f"{folder}/{model}-{where}/anatomy.json"))))
        for where in ("cpu", device)
    )
    if [path for path, _ in cpu] != [path for path, _ in other] or len(cpu) < 1000:
        sys.exit(f"{model}: not the same numbers: {len(cpu)} and {len(other)}")
    if not all(math.isfinite(value) for _, value in cpu + other):
        sys.exit(f"{model}: not finite")
    apart = max((abs(a - b), path) for (path, a), (_, b) in zip(cpu, other))
    print(f"{model}: {len(cpu)} numbers, the furthest apart by {apart[0]:.1e} ({apart[1]})")
    if apart[0] > tolerance:
        sys.exit(f"FAILED: more than {tolerance}")
print(f"passed: within {tolerance}")
PYTHON

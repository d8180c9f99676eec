#!/usr/bin/env bash
# All that this repository wants to know of a CUDA GPU, in one call: does it train as the CPU does, how fast is it
# beside PyTorch, how much memory does each length take, what does an encoding cost, and which kernels take the time.
#
#     scripts/gpu_report.sh FOLDER          writes tables, raw lines and logs there
#
# Needs a trainer built with `--features cuda` and a Python with PyTorch for CUDA and safetensors. Parts fail
# on their own: the summary at the end says which. Environment:
#   TRAINER (target/release/trainer)   PYTHON (python3)   ROUNDS (3)   PARTS (parity speed memory encodings profile)
#   PART_SECONDS (900)                 the longest a part may take
set -uo pipefail
cd "$(dirname "$0")/.."

out=$(realpath -m "${1:?usage: scripts/gpu_report.sh FOLDER}")
trainer=${TRAINER:-target/release/trainer}
python=${PYTHON:-python3}
rounds=${ROUNDS:-3}
mkdir -p "$out"
export TRAINER=$trainer

# What the trainer is asked to do in every part.
speed="$trainer speed"
shape() { "$python" -c '
import json, sys, tomllib
print(json.dumps(tomllib.load(open("benchmarks/shapes.toml", "rb"))["models"][sys.argv[1]]))' "$1" >"$out/$1.json"; }

parity() {
    # The CPU side computes in f32; so does the GPU here. Then once as training really runs, where only a rough
    # agreement can be asked for.
    scripts/gpu_parity.sh cuda && scripts/anatomy_parity.sh cuda && PRECISION=bf16 TOLERANCE=2e-2 scripts/gpu_parity.sh cuda
}
speed() {
    "$python" benchmarks/run.py --device cuda --ours "$speed" --python "$python" --rounds "$rounds" --results "$out"
}
memory() {
    "$python" benchmarks/memory.py --device cuda --ours "$speed" --python "$python" --results "$out" \
        --length 2048 8192 32768 131072
}
encodings() {
    "$python" benchmarks/encodings.py --device cuda --dtype bf16 --ours "$speed" --rounds "$rounds" --results "$out" \
        --model gpt2-size --length 2048 --batch 16
}
profile() {
    # CubeCL times each kernel; that serialises them, so shares count and the sum does not.
    shape gpt2-size
    CUBECL_DEBUG_LOG="$out/kernels.log" CUBECL_DEBUG_OPTION=profile-medium \
        $speed --device cuda --dtype bf16 --shape "$out/gpt2-size.json" --batch 16 --length 2048 --steps 3 --warmup 2 &&
        tail -n 200 "$out/kernels.log"
}

nvidia-smi | tee "$out/device.txt"
summary=()
for part in ${PARTS:-parity speed memory encodings profile}; do
    echo "== $part"
    # `timeout` runs commands, not functions: a shell of its own gets them.
    export -f parity speed memory encodings profile shape
    export out python rounds trainer
    if timeout "${PART_SECONDS:-900}" bash -c "speed='$speed'; $part" >"$out/$part.txt" 2>"$out/$part.err"; then
        summary+=("$part: done")
    else
        summary+=("$part: FAILED (status $?), see $part.err")
        tail -n 5 "$out/$part.err"
    fi
    tail -n 40 "$out/$part.txt"
done
printf '%s\n' "== summary" "${summary[@]}"

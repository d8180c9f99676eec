#!/usr/bin/env bash
# All that this repository wants to know of a CUDA GPU, in calls that fit a machine rented for minutes: do the kernels
# compute what they should, how fast is training beside PyTorch, does fusion help, does it train as the CPU does, which
# kernels take the time, how much memory does each length take.
#
#     scripts/gpu_report.sh FOLDER                    the first call: about 9 minutes on an empty cache
#     scripts/gpu_report.sh --keep-going FOLDER       the same, also where the trainer does not start or a kernel is wrong
#     scripts/gpu_report.sh --call 2 FOLDER           what is left: more lengths and rounds, encodings; under 5 minutes
#     scripts/gpu_report.sh --rehearse FOLDER         every step of the call on the CPU, small
#     scripts/gpu_report.sh --rehearse --short FOLDER the same without PyTorch, in under a minute
#
# Every step has a limit of its own and fails by itself. Only where the trainer does not start, or computes something
# wrong, the call ends early: what follows would say nothing, and the minutes that are left are worth more after a
# repair. After each step, FOLDER holds a whole summary.md and a whole archive of everything (results.tar.gz), so that a
# call that is cut off leaves what it had. The status is 0 if no step failed. Environment:
#   TRAINER    built with `--features cuda` (default: that of the bundle this is part of, else target/release/trainer)
#   PYTHON     with PyTorch for CUDA and safetensors (default: python3)
#   DEVICE     of the trainer (default: cuda; cpu in a rehearsal; wgpu:cpu for a software Vulkan)
#   DEADLINE   seconds after which no step begins or goes on (default: 585, in the second call 285)
#   CACHE      a folder with the caches of an earlier call (its FOLDER.work/environment), to begin with
set -uo pipefail
shopt -s nullglob
root=$(cd "$(dirname "$0")/.." && pwd)

call=1 rehearse=false short=false keep_going=false
while [[ ${1:-} == --* ]]; do
    case $1 in
        --call) call=$2 && shift ;;
        --rehearse) rehearse=true ;;
        --short) short=true ;;
        --keep-going) keep_going=true ;;
        *) echo "gpu_report: no such argument: $1" >&2 && exit 2 ;;
    esac
    shift
done
out=$(realpath -m "${1:?usage: scripts/gpu_report.sh [--call 1|2] [--rehearse [--short]] [--keep-going] FOLDER}")
[[ -x $root/trainer ]] && built=$root/trainer || built=$root/target/release/trainer
trainer=$(realpath -e "${TRAINER:-$built}") || exit 2
python=${PYTHON:-python3}
# Beside the folder, in which few files are to be fetched.
work=$out.work
mkdir -p "$out" "$work"

# Sizes: a rehearsal takes the same steps with a hundredth of the work.
if $rehearse; then
    device=${DEVICE:-cpu} dtype=f32 model=tiny batch=2 length=512 steps=2 warmup=1
    small=tiny small_batch=2 small_length=128 parity_steps=5 lengths=(128 512)
else
    device=${DEVICE:-cuda} dtype=bf16 model=gpt2-size batch=16 length=2048 steps=10 warmup=3
    small=small small_batch=4 small_length=1024 parity_steps=20 lengths=(2048 8192 32768)
fi
deadline=${DEADLINE:-$([[ $call == 1 ]] && echo 585 || echo 285)}
has_torch=false
! $short && "$python" -c 'import torch, safetensors' 2>/dev/null && has_torch=true

# CubeCL and Burn read their settings from the working directory; a cache between the steps' processes spares each of
# them minutes of tuning and compiling. The keys are those of cubecl 0.12 (crates cubecl-environment, cubecl-runtime).
# Every step runs in the folder with the settings, which shows what steps look for as the repository does.
for name in configs datasets scripts benchmarks; do
    ln -sfn "$root/$name" "$work/$name"
done
rm -rf "$work/environment"
[[ -z ${CACHE:-} ]] || cp -r "$CACHE" "$work/environment"
settings() {
    printf 'environment.path = { directory = "%s" }\ncompilation.cache = true\n' "$work/environment"
}
settings >"$work/cubecl.toml"
mkdir -p "$work/profile"
{
    settings
    printf 'profiling.logger.level = "medium"\nprofiling.logger.file = "%s"\n' "$work/profile/kernels.log"
} >"$work/profile/cubecl.toml"
# Where the toolkit lies that has libdevice: the usual folder, else the one of the compiler.
if [[ -z ${CUDA_PATH:-} ]]; then
    for toolkit in /usr/local/cuda "$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")"; do
        [[ -f $toolkit/nvvm/libdevice/libdevice.10.bc ]] && export CUDA_PATH=$toolkit && break
    done
fi
cd "$work" || exit 2

commit=$(cat "$root/COMMIT" 2>/dev/null || git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
rows=() failed=0
# Files of the archive are small: logs, lines of JSON, tables. The caches stay where they are.
pack() {
    {
        echo "# GPU report, call $call$($rehearse && echo ', rehearsal on the CPU: no number here is a GPU'\''s')"
        echo
        echo "Commit $commit, $(date -u +%FT%TZ), device $device."
        echo
        echo '| step | status | seconds | last line |'
        echo '|---|---|---:|---|'
        printf '%s\n' "${rows[@]}"
    } >"$work/summary.md"
    tar -C "$work" --exclude=./{environment,runs,configs,datasets,scripts,benchmarks} -czf "$out/.results" . &&
        mv "$out/.results" "$out/results.tar.gz"
    cp "$work/summary.md" "$out/.summary" && mv "$out/.summary" "$out/summary.md"
}

# step NAME LIMIT COMMAND..: under its limit, or what is left of the call. Status 77 of a command: it has nothing to do here.
# Fails where the command does, but not where it was not done in time.
step() {
    local name=$1 limit=$2 status=0 began=$SECONDS left=$((deadline - SECONDS)) word
    shift 2
    ((limit <= left)) || limit=$left
    if ((limit < 15)); then
        rows+=("| $name | skipped | 0 | no time was left |")
        pack
        return 0
    fi
    echo "== $name (at most $limit s)"
    timeout -k 5 "$limit" "$@" >"$work/$name.txt" 2>"$work/$name.err" || status=$?
    case $status in
        0) word=done ;;
        77) word=absent ;;
        124 | 137) word="FAILED: not done after $limit s" ;;
        *) word="FAILED: status $status" ;;
    esac
    [[ $word != FAILED* ]] || { failed=1 && tail -n 3 "$work/$name.err"; }
    # What went wrong is in the second file.
    local last files=("$work/$name.txt")
    [[ $word == done ]] || files+=("$work/$name.err")
    last=$(cat "${files[@]}" | grep -v '^ *$' | tail -n 1 | cut -c1-300 | tr '|' '/')
    rows+=("| $name | $word | $((SECONDS - began)) | $last |")
    echo "${rows[-1]}"
    pack
    [[ $word != *status* ]]
}

# The steps. `timeout` runs commands and not functions: a shell of its own gets them.
machine() {
    "$trainer" --version
    ldd "$trainer"
    ls "${CUDA_PATH:-/usr/local/cuda}"/nvvm/libdevice/ 2>&1
    command -v nvidia-smi >/dev/null || { echo 'no nvidia-smi' && return 77; }
    nvidia-smi
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader
}
shape() { "$python" benchmarks/report.py shape benchmarks/shapes.toml "$1" "$work/$1.json"; }
# One line of JSON for a side, then that line in words.
speed() {
    local name=$1 shape=$2
    shift 2
    "$trainer" speed --device "$device" --dtype "$dtype" --shape "$work/$shape.json" "$@" |
        tail -n 1 >"$work/$name.json" && "$python" "$work/benchmarks/report.py" speed "$work/$name.json"
}
# What PyTorch compiles is kept on the machine: it does so beside our first kernels, which nobody times either.
start() {
    local peer=
    if $has_torch; then
        "$python" benchmarks/peer/train.py --shape "$work/$model.json" --batch "$batch" --length "$length" --steps 1 --warmup 1 \
            --device "${device%%:*}" --dtype "$dtype" --compile >"$work/warm-up.txt" 2>&1 &
        peer=$!
    fi
    speed start "$small" --batch "$small_batch" --length "$small_length" --steps 3 --warmup 1 --unchecked
    local status=$?
    [[ -z $peer ]] || wait "$peer" || echo 'PyTorch did not warm up: warm-up.txt' >&2
    return "$status"
}
check() {
    "$trainer" check-kernels --device "$device" --dtype "$1" --shape "$work/$model.json" --batch "$batch" --length "$length"
}
# Ours beside PyTorch with the same weights; without PyTorch ours alone.
main_case() {
    if ! $has_torch; then
        speed main "$model" --batch "$batch" --length "$length" --steps "$steps" --warmup "$warmup"
        return
    fi
    "$python" benchmarks/run.py --ours "$trainer speed" --python "$python" --device "$device" --model "$model" --length "$length" \
        --mode train --rounds "$rounds" --eager-fallback --ours-seconds 200 --peer-seconds 120 --results "$work"
    local status=$?
    "$python" benchmarks/report.py take "$work" "$work"
    [[ ! -f $work/ours.json ]] || cp "$work/ours.json" "$work/main.json"
    "$python" benchmarks/report.py ratio "$work/ours.json" "$work/pytorch.json"
    return "$status"
}
unfused() {
    BURN_FUSION_MAX_EXPLORATIONS=0 speed unfused "$model" --batch "$batch" --length "$length" --steps "$steps" \
        --warmup "$warmup" --unchecked || return
    speed fused "$model" --batch "$batch" --length "$length" --steps "$steps" --warmup "$warmup" --unchecked || return
    "$python" benchmarks/report.py against "$work/unfused.json" "$work/fused.json"
}
profile() {
    rm -f "$work/profile/kernels.log"
    (cd "$work/profile" && speed profiled "$model" --batch "$batch" --length "$length" --steps 2 --warmup 1 --unchecked) || return
    [[ -s $work/profile/kernels.log ]] || { echo 'the device has no log of kernels' && return 77; }
    "$python" benchmarks/report.py profile "$work/profile/kernels.log" >"$work/kernels.md"
    local status=$?
    rm -f "$work/profile/kernels.log"
    tail -n 1 "$work/kernels.md"
    return "$status"
}
parity() { PRECISION=$1 TOLERANCE=$2 STEPS=$parity_steps TRAINER=$trainer scripts/gpu_parity.sh "$device"; }
anatomy() { TRAINER=$trainer scripts/anatomy_parity.sh "$device"; }
memory() {
    "$python" benchmarks/memory.py --device "$device" --ours "$trainer speed" --mode train --no-peer --model "$small" \
        --length "${lengths[@]}" --results "$work"
}
encodings() {
    "$python" benchmarks/encodings.py --device "$device" --dtype "$dtype" --ours "$trainer speed" --rounds 1 --steps "$steps" \
        --model "$model" --length "$length" --batch "$batch" --results "$work"
}
caches() {
    local database=$work/environment/default.db
    [[ -f $database ]] || { echo 'no caches were kept' && return 77; }
    "$python" benchmarks/report.py cache "$database" || return
    # Results of tuning are small enough to come back; compiled kernels may not be.
    "$python" benchmarks/report.py cache_copy "$database" "$out/tuning.db" --without kernels
}

rounds=1
export work out trainer python device dtype model batch length steps warmup small small_batch small_length parity_steps has_torch rounds
export -f machine speed start check main_case unfused profile parity anatomy memory encodings caches
run() { # NAME LIMIT FUNCTION [ARGUMENT..]
    local name=$1 limit=$2
    shift 2
    # Arrays cannot be exported.
    step "$name" "$limit" bash -c "set -uo pipefail; lengths=(${lengths[*]}); $(printf '%q ' "$@")"
}

shape "$model" && shape "$small" || exit 2
# The end of a call that is not worth going on with.
give_up() {
    $keep_going && return
    run caches 20 caches
    cat "$work/summary.md"
    exit 1
}

if [[ $call == 1 ]]; then
    run machine 20 machine
    run start 150 start || give_up
    if ! run check 200 check "$dtype"; then
        # Is it the kernel, or its number format?
        [[ $dtype == f32 ]] || run check-f32 60 check f32
        give_up
    fi
    run main 260 main_case
    run unfused 60 unfused
    run parity-f32 45 parity f32 1e-3
    run profile 30 profile
    [[ $dtype == f32 ]] || run parity-bf16 45 parity bf16 2e-2
    $short || run memory 60 memory
else
    rounds=2
    run machine 20 machine
    run main 120 main_case
    run anatomy 60 anatomy
    run encodings 60 encodings
    run memory 60 memory
fi
run caches 20 caches
cat "$work/summary.md"
exit "$failed"

# What the tests of sweep engines share; sourced by slurm_test.sh and hyperqueue_test.sh, which set $trainer and
# $folder. The sweep is two variants by two seeds of the micro model, in runs of about ten seconds: the tests meet them at
# work.

cat >"$folder/grid.toml" <<SWEEP
config = "$PWD/configs/micro.toml"
seeds = [1, 2]
set = { train.steps = 3000, train.checkpoint_every = 100, train.evaluate_every = 0, run.device = "cpu", data.cache = "$folder/cache" }
variants = [{ name = "prope" }, { name = "nope", set = { model.layers.global.encoding = { kind = "nope" } } }]
SWEEP

# The sweep into $folder/$1, with further arguments.
sweep() { "$trainer" sweep "$folder/grid.toml" --set "run.directory=\"$folder/$1\"" "${@:2}"; }

steps() { cat "$1"/metrics.jsonl 2>/dev/null | wc -l; }

# What the command line of the process of the run $1 looks like: its folder and name are there.
process_of() { echo "trainer .*$(dirname "$1")\" --name $(basename "$1") "; }

# A run of $folder/$1/grid that is at work (its metrics grow), other than those of the further arguments; waits for up to
# a minute.
at_work() {
    local run before
    for _ in {1..600}; do
        for run in "$folder/$1"/grid/*-seed*; do
            [[ " ${*:2} " != *" $run "* && ! -e $run/eval.json ]] || continue
            before=$(steps "$run")
            sleep 0.1
            ((before > 30 && $(steps "$run") > before)) && echo "$run" && return
        done
        sleep 0.1
    done
    echo "no run of $1 is at work" >&2
    return 1
}

# Sends signal $1 to the process of the run $2.
signal_process_of() {
    pkill "-$1" -f "$(process_of "$2")" &&
        echo "sent $1 to the process of $(basename "$2")"
}

kill_process_of() { signal_process_of KILL "$1"; }

# How far the run $1 got, by its record.
status_of() { sed -n 's/^  "status": "\(.*\)",$/\1/p' "$1/run.json" 2>/dev/null || true; }

# That the run $1 was interrupted and has a checkpoint where it stopped.
is_saved() {
    local last
    last=$(printf '%s/checkpoints/step-%06d' "$1" "$(steps "$1")")
    if [[ $(status_of "$1") == interrupted && -e $last/state.json ]]; then
        echo "saved  $(basename "$1") at step $(steps "$1")"
    else
        echo "NOT SAVED  $(basename "$1"): $(status_of "$1") at step $(steps "$1"), $(ls "$1/checkpoints" 2>&1)"
        return 1
    fi
}

# Runs the sweep locally and compares weights and evaluations with those of $folder/$1.
same_as_local() {
    local engine=$1 status=0 run name
    sweep local --jobs 2
    digest() { sed -n 's/.*"weights_sha256": "\(.*\)".*/\1/p' "$folder/$1/grid/$name/run.json"; }
    for run in "$folder"/local/grid/*-seed*; do
        name=$(basename "$run")
        if [[ -n $(digest local) && $(digest local) == "$(digest "$engine")" ]] &&
            cmp -s "$run/eval.json" "$folder/$engine/grid/$name/eval.json"; then
            echo "same  $name"
        else
            echo "DIFFERENT  $name: local $(digest local), $engine $(digest "$engine")"
            status=1
        fi
    done
    return $status
}

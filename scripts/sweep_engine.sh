# What the tests of sweep engines share; sourced by slurm_test.sh and hyperqueue_test.sh, which set $trainer and
# $folder. The sweep is two variants by two seeds of the micro model.

cat >"$folder/grid.toml" <<SWEEP
config = "$PWD/configs/micro.toml"
seeds = [1, 2]
set = { train.steps = 400, train.checkpoint_every = 20, train.evaluate_every = 0, run.device = "cpu", data.cache = "$folder/cache" }
variants = [{ name = "prope" }, { name = "nope", set = { model.layers.global.encoding = { kind = "nope" } } }]
SWEEP

# The sweep into $folder/$1, with further arguments.
sweep() { "$trainer" sweep "$folder/grid.toml" --set "run.directory=\"$folder/$1\"" "${@:2}"; }

steps() { cat "$1"/metrics.jsonl 2>/dev/null | wc -l; }

# A run of $folder/$1/grid that is at work (its metrics grow), other than $2; waits for up to a minute.
at_work() {
    local run
    for _ in {1..600}; do
        for run in "$folder/$1"/grid/*-seed*; do
            [[ $run != "${2:-}" && $(steps "$run") -gt 30 && ! -e $run/eval.json ]] && echo "$run" && return
        done
        sleep 0.1
    done
    echo "no run of $1 is at work" >&2
    return 1
}

kill_process_of() {
    pkill -KILL -f "trainer .*--name $(basename "$1") " && echo "killed the process of $(basename "$1")"
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

#!/usr/bin/env bash
# Runs a sweep through a real HyperQueue server on this machine, kills a task, stops another, kills the sweep itself with
# the server, starts it again, stops the sweep, and compares every run with the same sweep run locally. HyperQueue comes
# from PyPI into an environment of its own; without python3 or PyPI the script says so and ends with status 77.
#
# Environment: TRAINER (target/debug/trainer), HYPERQUEUE_VENV, KEEP=1 (leave the folder).
set -euo pipefail
cd "$(dirname "$0")/.."

trainer=$(realpath "${TRAINER:-${CARGO_TARGET_DIR:-target}/debug/trainer}")
venv=${HYPERQUEUE_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/prope/hyperqueue-venv}
export PYTHON=$venv/bin/python3
if ! "$PYTHON" -c 'import hyperqueue' 2>/dev/null &&
    ! { python3 -m venv "$venv" && "$PYTHON" -m pip install --quiet hyperqueue==0.27.0; }; then
    echo "SKIPPED: the HyperQueue engine is NOT tested here: it needs python3 with venv, and PyPI" >&2
    exit 77
fi
folder=$(mktemp -d)
finish() {
    wait 2>/dev/null || true
    [[ -n ${KEEP:-} ]] || rm -rf "$folder"
}
trap finish EXIT

. scripts/sweep_engine.sh
sweep hyperqueue --engine hyperqueue --jobs 2 &
first=$(at_work hyperqueue)
kill_process_of "$first"
at_work hyperqueue "$first" >/dev/null
pkill -KILL -f "trainer sweep $folder/grid.toml"
pkill -KILL -f "$folder/hyperqueue/grid/hyperqueue/driver.py"
echo "killed the sweep and its server"
wait || true

# A task that is stopped fails for HyperQueue, by its status; the sweep starts it again once the others are done.
sweep hyperqueue --engine hyperqueue --jobs 2 &
process=$!
stopped=$(at_work hyperqueue)
signal_process_of TERM "$stopped"
ended=$folder/hyperqueue/grid/hyperqueue/ended-0.json
for _ in {1..600}; do [[ -s $ended ]] && break; sleep 0.1; done
grep -o 'exit code 75' "$ended" || { echo "HyperQueue does not tell of status 75: $(cat "$ended")"; exit 1; }
# A sweep that is stopped ends with 75 as well, and its runs save their state.
for _ in {1..600}; do [[ $(status_of "$stopped") == running ]] && break; sleep 0.1; done
sleep 1
# The shell between would end by the signal itself.
pkill -TERM -f "trainer sweep $folder/grid.toml"
status=0
wait $process || status=$?
[[ $status == 75 ]] || { echo "the stopped sweep ended with status $status"; exit 1; }
is_saved "$stopped"
sweep hyperqueue --engine hyperqueue --jobs 2
same_as_local hyperqueue

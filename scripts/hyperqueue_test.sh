#!/usr/bin/env bash
# Runs a sweep through a real HyperQueue server on this machine, kills a task, kills the sweep itself with the server,
# starts it again, and compares every run with the same sweep run locally. HyperQueue comes from PyPI into an environment
# of its own; without python3 or PyPI it says so and ends with status 77.
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
sweep hyperqueue --engine hyperqueue --jobs 2
same_as_local hyperqueue

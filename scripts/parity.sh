#!/usr/bin/env bash
# Compares our numbers with Hugging Face transformers: logits of small random models of every family that we read, logits
# of runs of ours in the form that we write, and the perplexity of one of them. What we write is also read by the last
# transformers before version 5, which knows the older keys of a config.json only: it must compute the same or stop.
# Installs both and torch from PyPI in a folder of its own, about 6 GB (torch brings CUDA's libraries; nothing here uses them).
#
# Environment: TRAINER (target/debug/trainer), PARITY_VENV (~/.cache/prope/parity-venv), PARITY_LOG (a file for the tables).
set -euo pipefail
cd "$(dirname "$0")/.."

trainer=$(realpath "${TRAINER:-${CARGO_TARGET_DIR:-target}/debug/trainer}")
venv=${PARITY_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/prope/parity-venv}
pip_install() {
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# What is installed is what is pinned: a folder of another pin is not taken for it.
pinned() {
    sha256sum "$1" | cut -c 1-16
}
current=scripts/parity/requirements.txt
if [ ! -e "$venv/installed-$(pinned "$current")" ]; then
    python3 -m venv "$venv"
    pip_install --requirement "$current"
    touch "$venv/installed-$(pinned "$current")"
fi
# Beside the other one, whose torch it takes.
before=scripts/parity/requirements-transformers4.txt
transformers4=$venv/transformers4-$(pinned "$before")
if [ ! -e "$transformers4/installed" ]; then
    pip_install --no-deps --upgrade --target "$transformers4" --requirement "$before"
    touch "$transformers4/installed"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TRANSFORMERS_VERBOSITY=error HF_HUB_OFFLINE=1
status=0
"$venv/bin/python" scripts/parity/compare.py "$trainer" "$work" ${PARITY_LOG:+--log "$PARITY_LOG"} || status=1
# The same runs and exports, which it finds in $work.
PYTHONPATH=$transformers4 "$venv/bin/python" scripts/parity/compare.py "$trainer" "$work" --exports ${PARITY_LOG:+--log "$PARITY_LOG"} || status=1
exit "$status"

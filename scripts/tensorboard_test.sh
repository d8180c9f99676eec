#!/usr/bin/env bash
# Reads a run's TensorBoard file with TensorBoard's own reader and compares every number with metrics.jsonl, for a run
# that was killed and resumed. Installs TensorBoard from PyPI in a folder of its own; where that fails it says so and
# ends with status 77.
#
# Environment: TRAINER (target/debug/trainer), TENSORBOARD_VENV (~/.cache/prope/tensorboard).
set -euo pipefail
cd "$(dirname "$0")/.."

trainer=$(realpath "${TRAINER:-${CARGO_TARGET_DIR:-target}/debug/trainer}")
venv=${TENSORBOARD_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/prope/tensorboard}
if ! "$venv/bin/python" -c 'import tensorboard' 2>/dev/null &&
    ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check tensorboard; }; then
    echo "SKIPPED: event files are NOT tested here: it needs python3 with venv, and PyPI" >&2
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
train=("$trainer" configs/micro.toml --device cpu --set "run.directory=\"$folder\"" --set train.steps=300
    --set train.checkpoint_every=20 --set train.evaluate_every=50)
"${train[@]}" --name killed >/dev/null 2>&1 &
process=$!
for _ in {1..600}; do [[ $(cat "$folder/killed/metrics.jsonl" 2>/dev/null | wc -l) -gt 90 ]] && break; sleep 0.05; done
kill -KILL $process
wait $process 2>/dev/null || true
"${train[@]}" --name killed --resume >/dev/null 2>&1
"${train[@]}" --name off --set run.tensorboard=false >/dev/null 2>&1
[[ -z $(find "$folder/off" -name '*tfevents*') ]] || { echo "FAILED: an event file although it is off"; exit 1; }

"$venv/bin/python" - "$folder/killed" <<'PYTHON'
import json, math, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder = sys.argv[1]
events = EventAccumulator(folder, size_guidance={"tensors": 0, "scalars": 0}).Reload()
tags = {
    "train/loss": "loss",
    "train/gradient_norm": "gradient_norm",
    "train/learning_rate": "learning_rate",
    "validation/loss": "validation_loss",
}
lines = [json.loads(line) for line in open(f"{folder}/metrics.jsonl")]
for tag, key in tags.items():
    expected = [(line["step"], line[key]) for line in lines if key in line]
    try:
        found = [(event.step, event.value) for event in events.Scalars(tag)]
    except KeyError:
        from tensorboard.util import tensor_util
        found = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events.Tensors(tag)]
    assert len(found) == len(expected) > 0, (tag, len(found), len(expected))
    for (step, value), (other, wanted) in zip(found, expected):
        assert step == other and math.isclose(value, wanted, rel_tol=1e-6), (tag, step, other, value, wanted)
    print(f"{tag}: {len(found)} values as in metrics.jsonl")
PYTHON

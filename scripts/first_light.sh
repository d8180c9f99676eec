#!/usr/bin/env bash
# Trains and evaluates the seven encodings of the paper's Table 2 one after the other, then prints their
# perplexities side by side. Arguments are handed to the trainer: scripts/first_light.sh --device cpu
#
# Stopped half-way, it continues where it was: finished runs are only shown again.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CONFIGS=(nope rope_10k rope_500k prope_0.25 prope_0.75_reversed prope_0.75_partial prope_0.75)
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
# The trainer answers a signal with a checkpoint and a clean exit; without this the next run would begin.
# (`tee -i` below outlives the signal, to pass on the trainer's last words.)
trap 'exit 130' INT TERM

for config in "${CONFIGS[@]}"; do
    resume=()
    if [[ -e runs/$config/config.toml ]]; then
        resume=(--resume)
    fi
    echo "== $config"
    cargo run --quiet -p trainer -- "configs/$config.toml" "${resume[@]}" "$@" | tee -i "$outputs/$config"
done

# From the trainer's table: the column of contexts once, then a column of perplexities per config.
# Rows are configs, as in the paper.
echo
for config in "${CONFIGS[@]}"; do
    awk -v config="$config" '
        /^ +context +perplexity/ { inside = 1; next }
        inside && NF == 0 { inside = 0 }
        inside { contexts = contexts sprintf("%11s", $1); perplexities = perplexities sprintf("%11s", $2) }
        END {
            if (perplexities == "") { print config ": no result" > "/dev/stderr"; exit 1 }
            if (config == "nope") printf "%-22s%s\n", "perplexity at context", contexts
            printf "%-22s%s\n", config, perplexities
        }' "$outputs/$config"
done

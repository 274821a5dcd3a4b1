#!/usr/bin/env bash
# All figures of a GPU box in one JSON file: bash benchmarks/gpu.sh [FILE]
#
# doctor           the card, cuDNN, XLA, and what every recipe trains with
# one_card         whole trainings of stacked-gru: memory growth, two at once, beside Keras' recurrent dropout
# epoch            an epoch of each engine, beside the book's way
# recurrent_step   a step of each engine, with XLA and without
# training_loop    the other way with XLA, many steps a call, bfloat16
# input_pipeline   windows a second onto the card, prefetched there and not
#
# PYTHON names the Python that has jenacast ('jenacast[gpu]'), by default the checkout's. CARD, EPOCH, STEP, LOOP and
# PIPELINE add arguments to the benchmarks; for a quarter of an hour of one card: EPOCH='--rows 60000'.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-benchmarks-gpu.json}
python=${PYTHON:-.venv/bin/python}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

"$python" -m jenacast doctor --json > "$parts/doctor.json" || echo "jenacast doctor found problems; see $out" >&2
"$python" -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1]))["gpus"])' "$parts/doctor.json" ||
    echo "no GPU: these are the figures of the CPU" >&2
measure() { # its name, then arguments; one that fails, perhaps for want of memory, leaves the others their turn
    "$python" "benchmarks/$1.py" --json "${@:2}" > "$parts/$1.json" ||
        { echo "benchmarks/$1.py failed; it is left out of $out" >&2; rm -f "$parts/$1.json"; }
}
# shellcheck disable=SC2086  # the arguments are words
{
    measure one_card ${CARD:-}
    measure epoch --engines auto keras tied weight-drop ${EPOCH:-}
    measure recurrent_step ${STEP:-}
    measure training_loop ${LOOP:-}
    measure input_pipeline --keras-batches 20 ${PIPELINE:-}
}
"$python" - "$parts" "$out" <<'END'
import json
import sys
from pathlib import Path

parts, out = map(Path, sys.argv[1:])
out.write_text(json.dumps({path.stem: json.loads(path.read_text()) for path in sorted(parts.glob("*.json"))}, indent=2))
END
echo "wrote $out" >&2

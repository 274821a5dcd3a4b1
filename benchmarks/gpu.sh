#!/usr/bin/env bash
# All figures of a GPU box in one JSON file: bash benchmarks/gpu.sh [FILE]
#
# PYTHON names the Python that has jenacast ('jenacast[gpu]'), by default the checkout's. STEP, EPOCH and PIPELINE add
# arguments to the benchmarks.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-benchmarks-gpu.json}
python=${PYTHON:-.venv/bin/python}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

"$python" -m jenacast doctor --json > "$parts/doctor.json" || echo "jenacast doctor found problems; see $out" >&2
"$python" -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1]))["gpus"])' "$parts/doctor.json" ||
    echo "no GPU: these are the figures of the CPU" >&2
# shellcheck disable=SC2086  # the arguments are words
{
    "$python" benchmarks/recurrent_step.py --json ${STEP:-} > "$parts/recurrent_step.json"
    "$python" benchmarks/epoch.py --json ${EPOCH:-} > "$parts/epoch.json"
    "$python" benchmarks/input_pipeline.py --json --keras-batches 20 ${PIPELINE:-} > "$parts/input_pipeline.json"
}
"$python" - "$parts" "$out" <<'END'
import json
import sys
from pathlib import Path

parts, out = map(Path, sys.argv[1:])
out.write_text(json.dumps({path.stem: json.loads(path.read_text()) for path in sorted(parts.glob("*.json"))}, indent=2))
END
echo "wrote $out" >&2

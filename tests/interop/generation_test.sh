#!/usr/bin/env bash
# generation_test.sh TESSERA: compare_generation.py on the small real models that are there.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "skipped: $*"; exit 77; }
[[ -n ${TESSERA_INTEROP_PYTHON:-} ]] ||
  skip "TESSERA_INTEROP_PYTHON is not set (an interpreter with torch and transformers)"
[[ -n ${TESSERA_PYTHON:-} || -f $root/.venv/tessera-requirements.txt ]] ||
  skip "no Python for the helpers (scripts/setup-python)"
data=${TESSERA_TEST_DATA:-$root/../shared/data}
folders=()
for folder in "$data"/models/*/; do
  if [[ -f ${folder}tokenizer.json ]]; then folders+=("${folder%/}"); fi
done
[[ ${#folders[@]} -gt 0 ]] || skip "there are no models in $data"
exec "$TESSERA_INTEROP_PYTHON" "$root/tests/interop/compare_generation.py" "$1" "${folders[@]}"

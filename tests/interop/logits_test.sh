#!/usr/bin/env bash
# logits_test.sh PRINT_LOGITS: compare_logits.py on random models and on the real ones that are there.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
if [[ -z ${TESSERA_INTEROP_PYTHON:-} ]]; then
  echo "skipped: TESSERA_INTEROP_PYTHON is not set (an interpreter with torch and transformers)"
  exit 77
fi
data=${TESSERA_TEST_DATA:-$root/../shared/data}
folders=()
for folder in "$data"/models/*/ "$root/models/smollm2-135m-instruct/"; do
  if [[ -f ${folder}config.json ]]; then folders+=("${folder%/}"); fi
done
exec "$TESSERA_INTEROP_PYTHON" "$root/tests/interop/compare_logits.py" "$1" "${folders[@]}"

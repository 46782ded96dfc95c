#!/usr/bin/env bash
# vptq_test.sh MAKE_PACKED_MODEL DUMP_DENSE_MODEL PRINT_LOGITS: load_in_vptq.py on random models and
# on the real ones that are there.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
if [[ -z ${TESSERA_INTEROP_PYTHON:-} ]]; then
  echo "skipped: TESSERA_INTEROP_PYTHON is not set (an interpreter with torch," \
    "'transformers>=4.48,<5' and vptq==0.0.5.post1)"
  exit 77
fi
data=${TESSERA_TEST_DATA:-$root/../shared/data}
folders=()
for name in stories260K llama2xs babyllama-tok105 babyllama-tok361; do
  if [[ -f $data/models/$name/config.json ]]; then folders+=("$data/models/$name"); fi
done
exec "$TESSERA_INTEROP_PYTHON" "$root/tests/interop/load_in_vptq.py" "$@" "${folders[@]}"

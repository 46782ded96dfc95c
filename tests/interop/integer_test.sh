#!/usr/bin/env bash
# integer_test.sh compressed_tensors|gptqmodel MAKE_INTEGER_MODEL DUMP_DENSE_MODEL PRINT_LOGITS:
# load_in_compressed_tensors.py or load_in_gptqmodel.py.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
if [[ -z ${TESSERA_INTEROP_PYTHON:-} ]]; then
  echo "skipped: TESSERA_INTEROP_PYTHON is not set (an interpreter with torch, transformers==4.57.6," \
    "compressed-tensors==0.20.0, optimum==2.0.0 and gptqmodel==5.6.12)"
  exit 77
fi
exec "$TESSERA_INTEROP_PYTHON" "$root/tests/interop/load_in_$1.py" "${@:2}"

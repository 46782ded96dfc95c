#!/usr/bin/env bash
# Runs token_server_test.py with the Python of the helpers, where there is one, on the tokenizers that are there.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"

python=${TESSERA_PYTHON:-$root/.venv/bin/python}
[[ -n ${TESSERA_PYTHON:-} || -f $root/.venv/tessera-requirements.txt ]] ||
  skip "no Python for the helpers (scripts/setup-python)"
data=${TESSERA_TEST_DATA:-$root/../shared/data}
[[ -d $data ]] || skip "$data is not there"
run 0 "$python" -B "$root/tests/scripts/token_server_test.py" "$root" "$data"

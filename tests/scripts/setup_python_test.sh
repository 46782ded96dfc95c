#!/usr/bin/env bash
# scripts/setup-python in a copy of its folder, on a stand-in for python3 that makes hollow environments.
# shellcheck disable=SC2016 # what the stand-ins do expands when they run
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"

copy=$scratch/repository
mkdir -p "$copy/scripts/helpers"
cp "$root/scripts/setup-python" "$root/scripts/requirements.txt" "$copy/scripts/"
cp "$root/scripts/helpers/environment.sh" "$copy/scripts/helpers/"
script=$copy/scripts/setup-python
hollow_python() { # PIP_EXIT_CODE
  fake python3 "
if [[ \$* == '-m venv --clear '* ]]; then
  mkdir -p \"\${*: -1}/bin\"
  printf '#!/usr/bin/env bash\n[[ \$1 != -m ]] || { echo pip >>$scratch/calls; exit $1; }\n' >\"\${*: -1}/bin/python\"
  chmod +x \"\${*: -1}/bin/python\"
fi"
}
num_calls() { if [[ -f $scratch/calls ]]; then wc -l <"$scratch/calls"; else echo 0; fi; }

hollow_python 1
run 1 "$script"
says "pip cannot install"
[[ ! -f $copy/.venv/tessera-requirements.txt ]] || fail "a half-made environment counts as complete"

hollow_python 0
run 0 "$script"
says "making"
[[ $(num_calls) -eq 2 ]] || fail "the failed installation was not repeated"
run 0 "$script"
[[ ! -s $output && $(num_calls) -eq 2 ]] || fail "the second run is not silent and idle"

echo 'another==1.0' >>"$copy/scripts/requirements.txt"
run 0 "$script"
[[ $(num_calls) -eq 3 ]] || fail "a changed list is installed"
run 0 "$script" --force
[[ $(num_calls) -eq 4 ]] || fail "--force installs again"
rm "$copy/.venv/bin/python"
run 0 "$script"
[[ $(num_calls) -eq 5 ]] || fail "an environment whose Python went away is made again"

run 2 "$script" --wrong
says "unknown argument '--wrong'"
fake python3 '[[ $* == *ensurepip* ]] && exit 1; exit 0'
run 1 "$script" --force
says "python3-venv"
fake python3 '[[ $1 == -V ]] && echo "Python 3.9.2"; [[ $* == *version_info* ]] && exit 1; exit 0'
run 1 "$script" --force
says "python3 is 3.9.2 (the pinned packages need 3.11 or newer)"

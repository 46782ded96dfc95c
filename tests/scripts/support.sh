# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is for those who source it
# Sourced by the script tests: checks, a scratch folder, and stand-ins for commands, put before the real ones.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin"
output=$scratch/output

skip() { echo "skipped: $*"; exit 77; }
fail() {
  echo "FAILED: $*" >&2
  [[ ! -f $output ]] || sed 's/^/  | /' "$output" >&2
  exit 1
}

# fake NAME BODY: a command NAME that runs BODY.
fake() {
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$scratch/bin/$1"
  chmod +x "$scratch/bin/$1"
}

# run CODE COMMAND...: with the fakes in front; it must end with CODE. What it says is in $output.
run() {
  local wanted=$1 code=0
  shift
  PATH=$scratch/bin:$PATH "$@" >"$output" 2>&1 || code=$?
  [[ $code -eq $wanted ]] || fail "'$*' ended with $code, $wanted is expected"
}

# The output has, or has not, a text.
says() { grep -qF -- "$1" "$output" || fail "nothing says '$1'"; }
says_not() { ! grep -qF -- "$1" "$output" || fail "something says '$1'"; }

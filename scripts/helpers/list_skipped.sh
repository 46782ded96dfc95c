#!/usr/bin/env bash
# Says which checks were skipped in the last test runs of the presets named, and why: a skipped check counts as passed, so
# it should be seen.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for preset in "$@"; do
  log=build/$preset/Testing/Temporary/LastTest.log
  [[ -f $log ]] || continue
  num_skipped=$(grep -cE '^\[  SKIPPED \] .*\([0-9]+ ms\)$| \.\.\. skipped |^skipped: ' "$log" || true)
  [[ $num_skipped -eq 0 ]] && continue
  echo "$preset: $num_skipped checks were skipped, for these reasons:"
  # GoogleTest gives the reason on the line below "Skipped", unittest after "... skipped", scripts after "skipped:".
  { grep -A1 -E ': Skipped$' "$log" | grep -vE ': Skipped$|^--$' || true
    sed -nE "s/.* \.\.\. skipped ['\"](.*)['\"]$/\1/p; s/^skipped: //p" "$log"; } | sort | uniq -c
done

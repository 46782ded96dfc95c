#!/usr/bin/env bash
# Configures and builds a preset: `build.sh PRESET`. Uses ccache where it is installed. What the compilers say is shown
# only when something goes wrong, and kept in build/PRESET.log.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
preset=$1
log=build/$preset.log
mkdir -p build

options=()
if command -v ccache >/dev/null; then
  options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi

started=$SECONDS
if ! { cmake --preset "$preset" "${options[@]}" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
  tail -n 60 "$log"
  echo "building preset $preset failed (see above; all of it is in $log)"
  exit 1
fi
echo "built preset $preset in $((SECONDS - started)) s"

#!/usr/bin/env bash
# Every C++ source stands as .clang-format says: check_format.sh ROOT. Skipped (77) without clang-format 14, since another
# version formats otherwise.
set -euo pipefail
cd "$1"
if ! command -v clang-format-14 >/dev/null; then
  echo "skipped: no clang-format-14 (apt install clang-format-14)"
  exit 77
fi
find cluster jobs schedulers src tests \( -name '*.cpp' -o -name '*.hpp' \) -print0 |
  xargs -0 -n 40 clang-format-14 --dry-run -Werror || {
  echo "format them: find cluster jobs schedulers src tests -name '*.[ch]pp' | xargs clang-format-14 -i" >&2
  exit 1
}

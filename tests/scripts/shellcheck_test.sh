#!/usr/bin/env bash
# Every shell script of the project passes shellcheck.
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"
command -v shellcheck >/dev/null || skip "there is no shellcheck (scripts/install-packages --tests)"

mapfile -t scripts < <(grep -lIE '^#!.*\b(ba)?sh\b|^# shellcheck shell=' -r "$root/scripts" "$root/tests/scripts" |
  grep -v __pycache__)
[[ ${#scripts[@]} -ge 5 ]] || fail "found ${#scripts[@]} scripts only"
run 0 shellcheck --external-sources "${scripts[@]}"

#!/usr/bin/env bash
# Lints every shell script: `shellcheck.sh SHELLCHECK`, in the repository's root. A script is known by its first line.
set -euo pipefail

mapfile -t scripts < <(grep -lrE '^(#!.*\bbash|# shellcheck shell=bash)' scripts slurm tests .ci 2>/dev/null || true)
[[ ${#scripts[@]} -gt 0 ]] || { echo "no scripts found"; exit 1; }
echo "checking ${#scripts[@]} scripts"
exec "$1" --external-sources "${scripts[@]}"

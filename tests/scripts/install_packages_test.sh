#!/usr/bin/env bash
# scripts/install-packages on stand-ins for dpkg-query, apt-get, id and sudo: nothing is installed.
# shellcheck disable=SC2016 # what the stand-ins do expands when they run
# shellcheck source-path=SCRIPTDIR source=support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"
script=$root/scripts/install-packages

all_installed() { fake dpkg-query 'echo "ii "'; }
one_missing() { fake dpkg-query '[[ ${*: -1} != cmake ]] && echo "ii "'; }
fake apt-get "echo \"apt-get \$*\" >>$scratch/calls"
fake sudo "echo \"sudo\" >>$scratch/calls; exec \"\$@\""
fake id 'echo 0'

all_installed
run 0 "$script" --tests
says "nothing to do"
[[ ! -f $scratch/calls ]] || fail "apt-get was called though nothing is missing"

one_missing
run 0 "$script"
says "installing cmake"
says_not "with sudo"
grep -q "install --yes --no-install-recommends cmake$" "$scratch/calls" || fail "only cmake is to be installed"
! grep -q sudo "$scratch/calls" || fail "root needs no sudo"

# A package that was removed but left its settings is missing.
fake dpkg-query '[[ ${*: -1} == cmake ]] && echo "rc " || echo "ii "'
run 0 "$script"
says "installing cmake"

fake id 'echo 1000'
run 0 "$script"
says "installing cmake (with sudo)"
grep -q sudo "$scratch/calls" || fail "not root, so sudo is needed"

fake apt-get '[[ $* == *install* ]] && exit 100; exit 0'
run 1 "$script"
says "could not install"

run 2 "$script" --test
says "unknown argument '--test'"
run 0 "$script" --list
says "libhdf5-dev"
says_not "libgtest-dev"
says_not "slurm-wlm"
run 0 "$script" --list --tests
says "libgtest-dev"
says "slurm-wlm"
run 0 "$script" --help
says "scripts/install-packages [--tests]"

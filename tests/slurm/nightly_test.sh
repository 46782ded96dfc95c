#!/usr/bin/env bash
# slurm/nightly.slurm on stand-ins for the program and for Slurm: what it starts, what it goes on with, what it keeps.
# shellcheck disable=SC2016 # what the stand-ins do expands when they run
# shellcheck source-path=SCRIPTDIR source=../scripts/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/support.sh"
script=$root/slurm/nightly.slurm

run 0 bash -n "$script"
if command -v shellcheck >/dev/null; then run 0 shellcheck "$script"; fi

cd "$scratch"
unset SLURM_JOB_ID SLURM_CPUS_PER_TASK SLURM_JOB_END_TIME
export TESSERA=tessera calls=$scratch/calls
nights() { find work/nightly/nights -mindepth 1 -maxdepth 1 | sort; }
called() { grep -qF -- "$1" "$calls" || fail "nothing calls '$1': $(cat "$calls")"; }
# program RUN COMPARE: a tessera that notes how it was called, then does one of the bodies.
program() {
  rm -f "$calls"
  fake tessera "echo \"tessera \$*\" >>\"\$calls\"; case \$1 in run) $1 ;; compare) $2 ;; esac"
}
good='echo {}'
first='echo "$4: first"'

# The list.
sed 's/#.*//' "$root/configs/nightly.txt" | while read -r job; do
  [[ -z $job || -f $root/$job ]] || fail "configs/nightly.txt: $job is not there"
done
printf '# nothing\n\n' >empty.txt
run 2 bash "$script" empty.txt
says "names no job"
run 2 bash "$script" missing.txt
printf 'a/job.yaml\nb/job.yml\n' >twice.txt
run 2 bash "$script" twice.txt
says "two jobs of twice.txt are called job"
printf '  configs/one.yaml   # the first\n# another\nconfigs/two.yaml' >list.txt
KEEP_NIGHTS=0 run 2 bash "$script" list.txt
says "KEEP_NIGHTS"

# A night without Slurm: each job in folders of the night, and a row for each.
program "$good" "$first"
run 0 bash "$script" list.txt
night=$(nights)
called "tessera run configs/one.yaml --resume --json --set runtime.work_dir=$night/one/work --set output.dir=$night/one/output"
called "tessera compare $night/two/work --name two --exit-code 0 --ledger work/nightly/ledger.jsonl --append --page work/nightly/history.html"
says "one: first"
says "two: first"
[[ ! -e work/nightly/unfinished ]] || fail "a finished night is left to go on with"

# Worse and failed models do not keep the others from their turn.
program "$good" '[[ $4 == two ]] || exit 4'
run 4 bash "$script" list.txt
called "compare $(nights | tail -n 1)/two/work"
program 'echo why >&2; exit 1' 'exit 4'
run 4 bash "$script" list.txt
called "--exit-code 1 --error why --ledger"
says "why"
program "$good" 'exit 1'
run 1 bash "$script" list.txt
says "one: its verdict could not be found"

# The last nights are kept, and nothing that is no night.
mkdir work/nightly/nights/mine
program "$good" "$first"
KEEP_NIGHTS=2 COMPARE_OPTIONS="--max-perplexity-rise 0.01" run 0 bash "$script" list.txt
called "--exit-code 0 --max-perplexity-rise 0.01 --ledger"
[[ $(nights | wc -l) -eq 3 && -d work/nightly/nights/mine ]] || fail "kept: $(nights)"

# An interrupted night goes on where it was, with what was not done.
program '[[ $2 != *two* ]] || exit 75; echo {}' "$first"
run 75 bash "$script" list.txt
says "The same command goes on"
night=$(cat work/nightly/unfinished)
program "$good" "$first"
run 0 bash "$script" list.txt
called "work_dir=work/nightly/nights/$night/two/work"
! grep -q one.yaml "$calls" || fail "a job that was done is run again"
says "one: first"

# One that began too long ago does not.
program 'exit 75' "$first"
run 75 bash "$script" list.txt
night=$(cat work/nightly/unfinished)
touch -d "21 hours ago" work/nightly/unfinished
program "$good" "$first"
run 0 bash "$script" list.txt
! grep -q "$night" "$calls" || fail "a night of yesterday is gone on with"

# Asked to stop, it asks the run and waits for it.
program 'trap "sleep 0.2; exit 75" USR1; kill -TERM $PPID; for ((i = 0; i < 100; ++i)); do sleep 0.1; done; exit 1' "$first"
run 75 bash "$script" list.txt
says "one: ended with 75"

# Two nights at once: the second is refused.
(flock 8 && run 2 bash "$script" list.txt && says "another night is at work") 8>work/nightly/lock
rm work/nightly/unfinished

# Under Slurm: srun, the walltime, requeueing, and the next night.
export SLURM_JOB_ID=7 SLURM_JOB_NAME=tessera_nightly
fake squeue 'case "$*" in *%e*) echo 1893456000 ;; *%i*) echo "${PENDING:-}" ;; *) echo "${STATE:-RUNNING}" ;; esac'
for name in scontrol sbatch; do fake $name "echo \"$name \$*\" >>\"\$calls\""; done
fake srun 'echo "srun $* (until $SLURM_JOB_END_TIME, threads $OMP_NUM_THREADS)" >>"$calls"; while [[ $1 == --* ]]; do shift; done; "$@"'
program "$good" "$first"
SLURM_CPUS_PER_TASK=8 run 0 bash "$script" list.txt
called "srun --kill-on-bad-exit=1 --mpi=pmix tessera run configs/one.yaml"
called "(until 1893456000, threads 8)"
! grep -q ^sbatch "$calls" || fail "a next night nobody asked for"

program 'exit 75' "$first"
AT=01:00 SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
called "scontrol requeue 7"
grep -qE '^sbatch --begin=[0-9-]+T01:00:00 slurm/nightly.slurm list.txt$' "$calls" || fail "$(cat "$calls")"
program 'exit 75' "$first"
AT=01:00 SLURM_RESTART_COUNT=19 SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
says "20 attempts were made"
! grep -qE '^(sbatch|scontrol)' "$calls" || fail "$(cat "$calls")"
STATE=CANCELLED AT=01:00 PENDING=8 SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
says "it was cancelled"
! grep -qE '^(sbatch|scontrol)' "$calls" || fail "a second next night"
program 'exit 0' "$first" # and no report
SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
says "the ranks were not started"

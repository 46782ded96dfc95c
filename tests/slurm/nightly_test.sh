#!/usr/bin/env bash
# slurm/nightly.slurm and what starts its jobs, slurm/run_resumable.sh, on stand-ins for the program and for Slurm: what is
# started, what is gone on with, what is kept.
# shellcheck disable=SC2016 # what the stand-ins do expands when they run
# shellcheck source-path=SCRIPTDIR source=../scripts/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/support.sh"
script=$root/slurm/nightly.slurm

run 0 bash -n "$script"
if command -v shellcheck >/dev/null; then run 0 shellcheck "$script" "$root/slurm/run_resumable.sh"; fi

cd "$scratch"
cp "$root/slurm/run_resumable.sh" bin # beside the program
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
! grep -q ^srun "$calls" || fail "srun without Slurm"
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

# Asked to stop, it asks the run and waits for it, whatever its code then is; nothing else is begun.
waits='for ((i = 0; i < 100; ++i)); do sleep 0.1; done; exit 1'
for signal in USR1 TERM; do
  program 'trap "sleep 0.2; exit 75" USR1; kill -'$signal' $(ps -o ppid= $PPID); '"$waits" "$first"
  run 75 bash "$script" list.txt
  says "one: ended with 75"
  ! grep -qs two.yaml "$calls" || fail "another job is begun"
done
# Also between two jobs, and before what starts them listens.
program "$good" 'kill -USR1 $PPID; echo "$4: first"'
run 75 bash "$script" list.txt
says "not started: it was asked to stop"
! grep -qs two.yaml "$calls" || fail "another job is begun"
cp bin/run_resumable.sh real.sh
fake run_resumable.sh '[[ -e once ]] && exec bash real.sh "$@"; : >once; kill -USR1 $PPID; sleep 5'
program "$good" "$first"
run 75 bash "$script" list.txt
says "two: ended with 75"
! grep -qs two.yaml "$calls" || fail "another job is begun"
cp real.sh bin/run_resumable.sh
rm -r work/nightly/nights/????-*

# What starts the ranks is another's choice.
fake mpirun 'echo "mpirun $*" >>"$calls"; shift 2; exec "$@"'
program "$good" "$first"
LAUNCH="mpirun -n 4" run 0 bash "$script" list.txt
called "mpirun -n 4 tessera run configs/one.yaml"

# Two nights at once: the second is refused.
(flock 8 && run 2 bash "$script" list.txt && says "another night is at work") 8>work/nightly/lock
rm -f work/nightly/unfinished

# Under Slurm: srun, the walltime, requeueing, and the next night.
export SLURM_JOB_ID=7 SLURM_JOB_NAME=tessera_nightly SLURM_JOB_NODELIST=n1
fake squeue 'echo "${PENDING:-}"'
fake sbatch 'echo "sbatch $*" >>"$calls"'
fake scontrol 'echo "scontrol $*" >>"$calls"
  [[ $* != *show* ]] || echo "JobId=7 JobState=${STATE:-RUNNING} Restarts=${SLURM_RESTART_COUNT:-0} EndTime=1893456000 NumNodes=1"'
fake sinfo ''
fake srun 'echo "srun $* (until $SLURM_JOB_END_TIME, threads $OMP_NUM_THREADS)" >>"$calls"
  while [[ $1 == --* ]]; do shift; done; SLURM_PROCID=0 exec "$@"'
program "$good" "$first"
SLURM_CPUS_PER_TASK=8 run 0 bash "$script" list.txt
grep -qE '^srun .*--mpi=pmix .* tessera run configs/one.yaml .*\(until 1893456000, threads 8\)$' "$calls" || fail "$(cat "$calls")"
! grep -q ^sbatch "$calls" || fail "a next night nobody asked for"

program 'exit 75' "$first"
AT=01:00 SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
called "scontrol requeue 7"
grep -qE '^sbatch --begin=[0-9-]+T01:00:00 slurm/nightly.slurm list.txt$' "$calls" || fail "$(cat "$calls")"
program 'exit 75' "$first"
AT=01:00 SLURM_RESTART_COUNT=19 SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
says "20 attempts were made"
! grep -qE '^(sbatch|scontrol requeue)' "$calls" || fail "$(cat "$calls")"
MAX_ATTEMPTS=21 SLURM_RESTART_COUNT=19 SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
called "scontrol requeue 7"
program 'exit 75' "$first"
STATE=CANCELLED AT=01:00 PENDING=8 SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
says "Slurm says CANCELLED"
! grep -qE '^(sbatch|scontrol requeue)' "$calls" || fail "a second next night"
program 'exit 0' "$first" # and no report
SLURM_CPUS_PER_TASK=8 run 75 bash "$script" list.txt
says "the ranks were not started"

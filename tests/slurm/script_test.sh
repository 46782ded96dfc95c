#!/usr/bin/env bash
# slurm/quantize_70b.slurm on stand-ins for srun, squeue and scontrol: what it starts, when it requeues, and when not.
# shellcheck disable=SC2016 # what the stand-ins do expands when they run
# shellcheck source-path=SCRIPTDIR source=../scripts/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/support.sh"
script=$root/slurm/quantize_70b.slurm

run 0 bash -n "$script"
if command -v shellcheck >/dev/null; then run 0 shellcheck "$script"; fi

cd "$scratch"
export SLURM_JOB_ID=7 SLURM_JOB_NAME=drill TESSERA=/opt/tessera calls=$scratch/calls
fake squeue 'case "$*" in *%e*) echo 1893456000 ;; *) echo "${STATE:-RUNNING}" ;; esac'
fake scontrol 'echo "scontrol $*" >>"$calls"'
requeued() { grep -qs "^scontrol requeue 7$" "$calls"; }
# step BODY: an srun that notes how it was called, then does BODY.
step() {
  rm -f "$calls"
  fake srun "echo \"srun \$*; end \$SLURM_JOB_END_TIME, threads \${OMP_NUM_THREADS:-none}\" >>\"\$calls\"; $1"
}

step 'echo {}'
SLURM_CPUS_PER_TASK=8 run 0 "$script" my_job.yaml
grep -q "pmix /opt/tessera run my_job.yaml --resume --json; end 1893456000, threads 8" "$calls" ||
  fail "$(cat "$calls")"
! requeued || fail "requeued though it is done"

step 'exit 4'
run 4 "$script"
! requeued || fail "requeued though an error is no interruption"

step 'exit 75'
run 75 "$script"
requeued || fail "75 is resumable"

step 'exit 0' # and no report
run 75 "$script"
says "the ranks were not started"
requeued || fail "srun says 0 when it could not start the ranks"

step 'exit 75'
SLURM_RESTART_COUNT=19 run 75 "$script"
says "20 attempts were made"
! requeued || fail "requeued past the cap"

STATE=CANCELLED run 75 "$script"
says "CANCELLED"
! requeued || fail "requeued though somebody cancelled it"

# Signals go to the step, and its own exit code counts.
for signal in USR1 TERM; do
  step 'trap "sleep 0.2; exit 75" USR1; kill -'$signal' $PPID; for ((i = 0; i < 100; ++i)); do sleep 0.1; done; exit 1'
  run 75 "$script"
  says "ended with 75"
  requeued || fail "asked by $signal"
done
step 'kill -USR1 $PPID; sleep 0.2; exec sleep 10' # asked before it listens
run 75 "$script"
says "ended with 138"
requeued || fail "a step that was asked too early can go on"

#!/usr/bin/env bash
# slurm/quantize_70b.slurm and what it ends in, slurm/run_resumable.sh, on stand-ins for Slurm's commands: what is started,
# when the job is requeued, and when not; the chain of attempts.
# shellcheck disable=SC2016 # what the stand-ins do expands when they run
# shellcheck source-path=SCRIPTDIR source=../scripts/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/support.sh"
script=$root/slurm/quantize_70b.slurm

cd "$scratch"
mkdir opt
cp "$root/slurm/run_resumable.sh" opt
export SLURM_JOB_ID=7 SLURM_JOB_NAME=drill SLURM_JOB_NODELIST="n[1-2]" SLURM_JOB_NUM_NODES=2 SLURM_JOB_PARTITION=all
export TESSERA=$scratch/opt/tessera calls=$scratch/calls
fake scontrol 'echo "scontrol $*" >>"$calls"
  state=${STATE_BEFORE:-RUNNING}
  ! grep -q ^srun "$calls" || state=${STATE:-RUNNING}
  [[ $* != *show* ]] || echo "JobId=7 JobState=$state Reason=None Restarts=${RESTARTS:-${SLURM_RESTART_COUNT:-0}}" \
    "TimeLimit=01:00:00 EndTime=1893456000 NumNodes=${NUM_NODES:-2} NumCPUs=4"'
fake sinfo 'echo "n1 mixed"; echo "n2 ${N2:-mixed}"'
fake sbatch 'echo "sbatch $*; attempt $TESSERA_ATTEMPT, restarts ${SLURM_RESTART_COUNT:-none}" >>"$calls"; echo "${SUCCESSOR:-8}"'
fake scancel 'echo "scancel $*" >>"$calls"'
called() { grep -qs -- "$1" "$calls"; }
requeued() { called "^scontrol requeue 7$"; }
# step BODY: an srun that notes how it was called, then does BODY.
step() {
  rm -f "$calls"
  fake srun "echo \"srun \$*; end \$SLURM_JOB_END_TIME, threads \${OMP_NUM_THREADS:-none}\" >>\"\$calls\"; $1"
}

step 'echo {}'
SLURM_CPUS_PER_TASK=8 run 0 "$script" my_job.yaml
called "--mpi=pmix bash .* $TESSERA run my_job.yaml --resume --json; end 1893456000, threads 8" || fail "$(cat "$calls")"
! requeued || fail "requeued though it is done"
[[ $(cat drill_7.json) == '{}' ]] || fail "the report is not there"

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
MAX_ATTEMPTS=21 SLURM_RESTART_COUNT=19 run 75 "$script"
requeued || fail "the cap is another"

rm "$calls"
STATE=SIGNALING run 75 "$script"
requeued || fail "Slurm is still at its warning, and the job runs"

rm "$calls"
STATE=CANCELLED run 75 "$script"
says "CANCELLED"
! requeued || fail "requeued though somebody cancelled it"
RESTARTS=1 run 75 "$script"
! requeued || fail "requeued though Slurm has begun the next attempt already"

# A lost node: what the ranks made of it is no verdict on the job, but the program's own words are.
for code in 1 137; do
  step "exit $code"
  run "$code" "$script"
  ! requeued || fail "requeued though no node is lost"
  for state in 'down' 'mixed*'; do
    N2=$state run 75 "$script"
    says "lost n2"
    requeued || fail "a node is lost ($state), so it is to be requeued"
  done
done
# Neither is what became of ranks that were never started, or not all of them.
step 'SLURM_PROCID=0 "${@:4:3}" "$7" true; exit 1'
SLURM_NTASKS=2 run 75 "$script"
says "of 2 ranks 1 were started"
requeued || fail "a rank was not started"
rm "$calls"
SLURM_NTASKS=1 run 1 "$script"
! requeued || fail "all ranks were started, so the error is theirs"
[[ ! -e drill_7.started ]] || fail "the ranks' files are left"

step 'exit 2'
N2=down run 2 "$script"
! requeued || fail "requeued though the job itself is wrong"

# One that has lost a node before anything was started does not try.
step 'echo {}'
NUM_NODES=1 run 75 "$script"
says "of 2 nodes there are 1 left"
! called '^srun' || fail "started on what is left"
requeued || fail "it may have better luck"

# Nor does one that Slurm is ending.
rm "$calls"
STATE_BEFORE=COMPLETING run 75 "$script"
says "not started: Slurm says COMPLETING"
! called '^srun' || fail "started in a job that is ended"
! requeued || fail "Slurm does that itself"

# Signals go to the step, and its own exit code counts.
for signal in USR1 TERM; do
  step 'trap "sleep 0.2; exit 75" USR1; kill -'$signal' $PPID; for ((i = 0; i < 100; ++i)); do sleep 0.1; done; exit 1'
  run 75 "$script"
  says "$signal arrived"
  says "ended with 75"
  requeued || fail "asked by $signal"
done
step 'kill -USR1 $PPID; sleep 0.2; exec sleep 10' # asked before it listens
run 75 "$script"
says "ended with 138"
requeued || fail "a step that was asked too early can go on"

step 'exit 143' # Slurm asked the ranks alone
run 75 "$script"
requeued || fail "a preempted step can go on"

# A chain: the next attempt is submitted first, and taken back when there is nothing left to do.
export CHAIN=yes SLURM_NTASKS_PER_NODE=3
step 'exit 75'
run 75 "$script" my_job.yaml
called "^sbatch .*--dependency=afterany:7 .*--nodes=2 --time=01:00:00 --partition=all --ntasks-per-node=3 $script my_job.yaml; attempt 2, restarts none" ||
  fail "$(cat "$calls")"
! requeued || fail "requeued though that is forbidden"
! called scancel || fail "took the next attempt back though it is needed"
for code in 0 3 2; do
  step "echo {}; exit $code"
  run "$code" "$script"
  called '^scancel 8$' || fail "the next attempt was not taken back after $code"
done
step 'exit 75'
TESSERA_ATTEMPT=20 run 75 "$script"
! called sbatch || fail "submitted past the cap"
says "no attempt follows"
SUCCESSOR='sbatch: no' run 75 "$script"
says "could not be submitted"
STATE=CANCELLED run 75 "$script"
called '^scancel 8$' || fail "the next attempt outlives a job that was cancelled"
run 75 opt/run_resumable.sh --successors ids --chain "$script" -- "$TESSERA"
[[ $(cat ids) == 8 ]] || fail "the next attempt's number is not noted"

# What is missing is told.
run 2 opt/run_resumable.sh --max-atempts 3 -- true
says "--max-atempts"
run 2 opt/run_resumable.sh
says "'-- PROGRAM' is missing"
SLURM_JOB_ID='' run 2 opt/run_resumable.sh -- true
says "SLURM_JOB_ID"

# What starts the ranks may be another than srun; then it need not be a Slurm job.
fake mpirun 'echo "mpirun $*" >>"$calls"; shift 2; exec "$@"'
rm "$calls"
run 0 opt/run_resumable.sh --launcher "mpirun -n 2" --report my.json -- echo {}
called '^mpirun -n 2 echo {}$' || fail "$(cat "$calls")"
! called ^srun || fail "srun as well"
[[ $(cat my.json) == '{}' ]] || fail "the report is elsewhere"
SLURM_NTASKS=2 run 1 opt/run_resumable.sh --launcher "" -- false
export -n SLURM_JOB_ID
run 75 opt/run_resumable.sh --launcher "" -- bash -c 'exit 75'
says "The same command goes on"
run 75 opt/run_resumable.sh --launcher "" -- bash -c 'kill -USR1 $PPID; sleep 0.2; exec sleep 10'

#!/usr/bin/env bash
# One attempt of a resumable program as a Slurm job; how a batch script ends:
#
#   exec run_resumable.sh [options] -- PROGRAM WORD...
#
#   --max-attempts N       how often the job is started at most, the first time included (20)
#   --mpi TYPE             how srun starts the ranks (pmix)
#   --launcher COMMAND     what starts the ranks in place of srun, "mpirun -n 4", or nothing, "": then it need be no Slurm job
#   --report FILE          where the program's standard output goes (JOBNAME_JOBID.json)
#   --asked yes            the job was asked to stop before: nothing is started, and the next attempt arranged for
#   --chain SCRIPT         where requeueing is forbidden: submit SCRIPT as the next attempt before running, to start when
#                          this one has ended, and take it back when nothing is left to do
#   --chain-argument WORD  an argument of SCRIPT; may be given again
#   --successors FILE      append the number of that job to FILE
#
# A warning (USR1) or an end (TERM) is handed to all ranks, which then leave with 75; the job is requeued after that, or
# when a node was lost. It ends with the program's exit code. The program's standard output is the report. Without Slurm
# the signals are handed on all the same, and whoever starts the same command again goes on.
set -uo pipefail

max_attempts=20 mpi=pmix launcher='' has_launcher=no report='' asked=no chain='' successors=/dev/null chain_arguments=()
while [[ ${1:-} == --* && $1 != -- ]]; do
  case $1 in
    --max-attempts) max_attempts=$2 ;;
    --mpi) mpi=$2 ;;
    --launcher) has_launcher=yes launcher=$2 ;;
    --report) report=$2 ;;
    --asked) asked=$2 ;;
    --chain) chain=$2 ;;
    --chain-argument) chain_arguments+=("$2") ;;
    --successors) successors=$2 ;;
    *) echo "run_resumable.sh: unknown option '$1' (its first lines tell which there are)" >&2; exit 2 ;;
  esac
  shift 2
done
[[ ${1:-} == -- && $# -gt 1 ]] || { echo "run_resumable.sh: '-- PROGRAM' is missing" >&2; exit 2; }
shift
in_slurm=${SLURM_JOB_ID:+yes}
[[ -n $in_slurm || $has_launcher == yes ]] ||
  { echo "run_resumable.sh: no Slurm job (SLURM_JOB_ID is not set), and no --launcher" >&2; exit 2; }

read -r -a launch <<<"$launcher"
restarts=${SLURM_RESTART_COUNT:-0}
attempt=$((${TESSERA_ATTEMPT:-1} + restarts))
report=${report:-${SLURM_JOB_NAME:-job}_${SLURM_JOB_ID:-here}.json}
say() { echo "$(date '+%F %T') attempt $attempt: $*"; }

# fact NAME: what Slurm says of the job now, nothing where there is none; times as seconds since 1970.
fact() {
  [[ -n $in_slurm ]] || return 0
  SLURM_TIME_FORMAT=%s scontrol --oneliner show job "$SLURM_JOB_ID" 2>/dev/null | sed -nE "s/.* $1=([^ ]*).*/\1/p"
}

# Ranks use the cores Slurm gives them; srun itself reads SRUN_CPUS_PER_TASK only, since 22.05.
if [[ -n ${SLURM_CPUS_PER_TASK:-} ]]; then
  export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
fi
# When the walltime ends, for Slurm versions that do not say.
if [[ -z ${SLURM_JOB_END_TIME:-} ]]; then
  end=$(fact EndTime)
  [[ ! $end =~ ^[0-9]+$ ]] || export SLURM_JOB_END_TIME=$end
fi

step='' interrupted=no
# shellcheck disable=SC2317 # the traps call it
ask_to_stop() {
  say "$1 arrived; asking the ranks to stop"
  asked=yes interrupted=yes
  [[ -z $step ]] || kill -USR1 "$step" 2>/dev/null # srun hands it to every rank
}
trap 'ask_to_stop USR1' USR1
trap 'ask_to_stop TERM' TERM

# The next attempt, with the size that this one was given, waiting for the end of this one.
successor=''
submit_successor() {
  [[ -n $chain && $attempt -lt $max_attempts ]] || return 0
  local options=(--parsable --no-requeue "--dependency=afterany:$SLURM_JOB_ID" "--job-name=$SLURM_JOB_NAME"
    "--nodes=$SLURM_JOB_NUM_NODES" "--time=$(fact TimeLimit)" "--partition=$SLURM_JOB_PARTITION")
  [[ -z ${SLURM_NTASKS_PER_NODE:-} ]] || options+=("--ntasks-per-node=$SLURM_NTASKS_PER_NODE")
  [[ -z ${SLURM_CPUS_PER_TASK:-} ]] || options+=("--cpus-per-task=$SLURM_CPUS_PER_TASK")
  successor=$(env -u SLURM_RESTART_COUNT TESSERA_ATTEMPT=$((attempt + 1)) \
    sbatch "${options[@]}" "$chain" ${chain_arguments[@]+"${chain_arguments[@]}"})
  successor=${successor%%;*} # its number, without the cluster's name
  if [[ ! $successor =~ ^[0-9]+$ ]]; then
    say "the next attempt could not be submitted. If this one is interrupted, submit it again to go on."
    successor=''
  else
    say "job $successor is the next attempt, should one be needed"
    echo "$successor" >>"$successors"
  fi
}

# Nodes of this job that Slurm has given up, or that do not answer it (an asterisk).
lost_nodes() {
  [[ -n $in_slurm ]] || return 0
  sinfo --noheader --Node --nodes="$SLURM_JOB_NODELIST" --format='%N %T' 2>/dev/null |
    awk '$2 ~ /^(down|fail)|\*$/ { print $1 }' | sort -u | paste -sd ' '
}

# Starts the ranks and waits for their end; sets code. Each rank leaves a file where it starts: a job that was requeued for
# a lost node may be given an allocation in which srun finds too few nodes and waits for ever, or a node where nothing starts.
run_step() {
  local started=${report%.json}.started lost num_started
  rm -rf "$started"
  mkdir "$started"
  if [[ $has_launcher == yes ]]; then
    ${launch[@]+"${launch[@]}"} "$@" >"$report" &
  else
    # shellcheck disable=SC2016 # the ranks' own variables
    srun --immediate=120 --kill-on-bad-exit=1 --mpi="$mpi" \
      bash -c ': >"$0/$SLURM_PROCID"; exec "$@"' "$started" "$@" >"$report" &
  fi
  step=$!
  [[ $asked == no ]] || kill -USR1 "$step" 2>/dev/null
  while :; do # a signal ends the wait, not the step
    interrupted=no
    wait "$step"
    code=$?
    [[ $interrupted == yes ]] || break
  done
  say "ended with $code"
  num_started=$(find "$started" -type f | wc -l)
  rm -rf "$started"
  if [[ $code -eq 0 && ! -s $report ]]; then
    say "the launcher says 0, but there is no report in $report: the ranks were not started"
    code=75
  elif [[ $code -eq 138 || $code -eq 143 || $code -gt 128 && $asked == yes ]]; then
    # Ranks that were asked (USR1, TERM) before they could listen, or ended while they left. Before a preemption Slurm
    # asks the ranks alone, not this script.
    code=75
  elif [[ $code -eq 1 || $code -gt 128 ]]; then
    lost=$(lost_nodes)
    if [[ $has_launcher == no && $num_started -lt ${SLURM_NTASKS:-0} ]]; then
      say "of $SLURM_NTASKS ranks $num_started were started"
      code=75
    elif [[ -n $lost ]]; then
      say "lost $lost"
      code=75
    fi
  fi
}

# Slurm may have ended this attempt, or begun the next, while this script was still at work.
requeue() {
  local state now
  state=$(fact JobState) now=$(fact Restarts)
  if [[ -z $in_slurm ]]; then
    say "interrupted. The same command goes on."
  elif [[ ! $state =~ ^(RUNNING|SIGNALING)$ || ${now:-$restarts} != "$restarts" ]]; then
    say "not requeued from here: Slurm says ${state:-the job is gone}" # cancelled, or requeued already
  elif [[ $attempt -ge $max_attempts ]]; then
    say "not requeued: $max_attempts attempts were made. Submit it again to go on."
  else
    say "requeued; it goes on from what was committed"
    scontrol requeue "$SLURM_JOB_ID" || say "scontrol could not requeue it. Submit it again to go on."
  fi
}

say "on ${SLURM_JOB_NODELIST:-this node}: $*"
submit_successor
# What Slurm is ending, or has taken a node from, cannot start its ranks: srun would see too few nodes, and then wait for
# the job to run again, which it cannot before this script has ended.
state=$(fact JobState) num_nodes=$(fact NumNodes)
if [[ $asked == yes ]]; then
  say "not started: it was asked to stop"
  code=75
elif [[ ! $state =~ ^(RUNNING|SIGNALING|CONFIGURING|)$ ]]; then
  say "not started: Slurm says $state"
  code=75
elif [[ -n ${SLURM_JOB_NUM_NODES:-} && $num_nodes =~ ^[0-9]+$ && $num_nodes -ne $SLURM_JOB_NUM_NODES ]]; then
  say "not started: of $SLURM_JOB_NUM_NODES nodes there are $num_nodes left"
  code=75
else
  run_step "$@"
fi
if [[ $code -ne 75 ]]; then
  [[ -z $successor ]] || scancel "$successor"
  exit "$code"
fi
if [[ -z $chain ]]; then
  requeue
elif [[ -z $successor ]]; then
  say "no attempt follows: $max_attempts were made, or none could be submitted. Submit it again to go on."
elif [[ $(fact JobState) == CANCELLED ]]; then
  scancel "$successor"
fi
exit 75

#!/usr/bin/env bash
# Runs a sweep through a real SLURM of this machine alone, kills a task, sends another the warning that its time is
# up, cancels one, and compares every run with the same sweep run locally. Then runs jobs like the one in
# docs/running.md, with others that wait for them: warned, at their time limit, and queued again. Needs munge and
# slurm-wlm (Debian: apt-get install slurm-wlm munge) and root; without them it says so and ends with status 77.
#
# Environment: TRAINER (target/debug/trainer), KEEP=1 (leave the folder).
set -euo pipefail
cd "$(dirname "$0")/.."

trainer=$(realpath "${TRAINER:-${CARGO_TARGET_DIR:-target}/debug/trainer}")
for program in munged mungekey slurmctld slurmd sbatch squeue; do
    if ! PATH=$PATH:/usr/sbin command -v $program >/dev/null || [[ $(id -u) != 0 ]]; then
        echo "SKIPPED: the SLURM engine is NOT tested here: it needs root, munge and slurm-wlm ($program)" >&2
        exit 77
    fi
done
export PATH=$PATH:/usr/sbin
folder=$(mktemp -d)
daemons=()
finish() {
    kill "${daemons[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    [[ -n ${KEEP:-} ]] || rm -rf "$folder"
}
trap finish EXIT

# A cluster of one node. Memory and processes are not tracked by cgroups: this must run in containers.
host=$(hostname -s)
mkdir -p "$folder"/{state,spool,log}
chmod 755 "$folder"
mungekey --create --keyfile "$folder/munge.key"
cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
MinJobAge=300
KillWait=5
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$folder/slurm.conf
munged --foreground --force --key-file "$folder/munge.key" --socket "$folder/munge.socket" \
    --pid-file "$folder/munge.pid" --log-file "$folder/log/munged.log" --seed-file "$folder/munge.seed" >"$folder/log/munged.out" 2>&1 &
daemons+=($!)
for _ in {1..50}; do [[ -S $folder/munge.socket ]] && break; sleep 0.1; done
slurmctld -D >"$folder/log/slurmctld.out" 2>&1 & daemons+=($!)
slurmd -D >"$folder/log/slurmd.out" 2>&1 & daemons+=($!)
for _ in {1..100}; do [[ $(sinfo --noheader --format=%T 2>/dev/null) == idle ]] && break; sleep 0.2; done
[[ $(sinfo --noheader --format=%T) == idle ]] || { tail "$folder"/log/*; echo "no SLURM node"; exit 1; }

. scripts/sweep_engine.sh
sweep slurm --engine slurm --jobs 2 &
process=$!
first=$(at_work slurm)
kill_process_of "$first"
second=$(at_work slurm "$first")
task=$(grep -n -- "$(basename "$second")" "$folder"/slurm/grid/slurm/array-0.commands | cut -d: -f1)
job=$(sed -n 's/.*"job": \([0-9]*\).*/\1/p' "$folder/slurm/grid/slurm/submitted.json" | head -n 1)
scancel --batch --signal=USR2 "${job}_$((task - 1))" && echo "time is up for $(basename "$second")"
# The process that a user stops by itself goes back to the queue too; a task that is cancelled does not, and is continued by
# the next sweep.
third=$(at_work slurm "$first" "$second")
signal_process_of TERM "$third"
fourth=$(at_work slurm "$first" "$second" "$third")
task=$(grep -n -- "$(basename "$fourth")" "$folder"/slurm/grid/slurm/array-0.commands | cut -d: -f1)
scancel "${job}_$((task - 1))" && echo "cancelled $(basename "$fourth")"
ended=0
wait $process || ended=$?
status=0
[[ $ended == 75 ]] || { echo "a sweep with a cancelled task ended with status $ended"; status=1; }
is_saved "$fourth" || status=1
sweep slurm --engine slurm --jobs 2

same_as_local slurm || status=1
for why in "time is up" "killed by signal" "stopped"; do
    grep -h "back to the queue: $why" "$folder"/slurm/grid/logs/slurm-*.log || { echo "nothing was requeued: $why"; status=1; }
done

# A job named $1 with options ${@:3} and script $2, and two that wait for it. They leave files.
submit() {
    local job
    job=$(sbatch --parsable --job-name="$1" --output="$folder/log/$1.log" --open-mode=append "${@:3}" <<<"#!/usr/bin/env bash
$2")
    for when in afterok afternotok; do
        sbatch --parsable --dependency="$when:$job" --output=/dev/null --wrap "touch '$folder/$1.$when'" >/dev/null
    done
    echo "$job"
}
run=("$trainer" "$PWD/configs/micro.toml" --continue --device cpu --set "run.directory=\"$folder/jobs\"" --set train.evaluate_every=0
    --set "data.cache=\"$folder/cache\"")
long="exec $(printf '%q ' "${run[@]}" --set train.steps=1e7 --set train.checkpoint_every=0)"
# Warned half a minute before the end of its minute, and terminated at its end.
warned=$(submit warned "$long --name warned" --time=1 --signal=B:USR1@30)
limited=$(submit limited "$long --name limited" --time=1)
field() { scontrol show job "$1" | grep -o "$2=[^ ]*"; }
at_end() { for _ in {1..300}; do scontrol show job "$1" | grep -q "$2" && return; sleep 1; done; return 1; }
at_end "$warned" JobState=FAILED && at_end "$limited" JobState=TIMEOUT || { echo "not at an end"; status=1; }
for name in warned limited; do
    echo "$name: $(field "${!name}" JobState) $(field "${!name}" ExitCode)"
    is_saved "$folder/jobs/$name" || status=1
done
[[ $(field "$warned" ExitCode) == ExitCode=75:0 ]] || { echo "the status of a warned job is lost"; status=1; }

# The script of docs/running.md: warned when it is at work, it goes back to the queue and finishes.
recipe=$(sed -n '/^trainer .* &$/,/^exit /p' docs/running.md)
script=${recipe/#trainer configs\/prope_0.75.toml --continue/$(printf '%q ' "${run[@]}" --name again --set train.steps=2000)}
again=$(submit again "$script" --requeue)
for _ in {1..600}; do (($(steps "$folder/jobs/again") > 100)) && break; sleep 0.1; done
scancel --batch --signal=USR1 "$again"
for _ in {1..100}; do field "$again" Restarts=1 >/dev/null && break; sleep 0.1; done
is_saved "$folder/jobs/again" || status=1
[[ ! -e $folder/again.afterok && ! -e $folder/again.afternotok ]] || { echo "what waits began too early"; status=1; }
at_end "$again" JobState=COMPLETED || { echo "the job that was queued again did not finish"; status=1; }
echo "again: $(field "$again" JobState) $(field "$again" ExitCode) $(field "$again" Restarts)"

for _ in {1..60}; do [[ -e $folder/again.afterok ]] && break; sleep 1; done
began=$(cd "$folder" && ls -1 ./*.afterok ./*.afternotok | xargs)
echo "began afterwards: $began"
[[ $began == "./again.afterok ./limited.afternotok ./warned.afternotok" ]] || { echo "the wrong jobs began"; status=1; }
exit $status

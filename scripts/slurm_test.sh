#!/usr/bin/env bash
# Runs a sweep through a real SLURM of this machine alone, kills a task, sends another the warning that its time is
# up, and compares every run with the same sweep run locally. Needs munge and slurm-wlm (Debian: apt-get install
# slurm-wlm munge) and root; without them it says so and ends with status 77.
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
wait $process

status=0
same_as_local slurm || status=1
grep -h "back to the queue" "$folder"/slurm/grid/logs/slurm-*.log || { echo "nothing was requeued"; status=1; }
exit $status

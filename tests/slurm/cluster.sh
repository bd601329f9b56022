#!/usr/bin/env bash
# A real Slurm with two nodes of two fake GPUs each on one machine, as root and without systemd, for `make slurm-check`.
#   cluster.sh up          start       (PROCTRACK=linuxproc|cgroup, DBD=0|1 for accounting)
#   cluster.sh down        stop what this script started
# Debian 12: apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge   (slurmdbd mariadb-server if DBD=1)
set -euo pipefail
ROOT=${SLURM_ROOT:-/tmp/slurm}
GPUS_PER_NODE=2
PROCTRACK=${PROCTRACK:-linuxproc}
DBD=${DBD:-0}

if [[ ${1:-up} == down ]]; then
  for name in slurmctld slurmd-n1 slurmd-n2 slurmdbd mariadbd munged; do
    file=$ROOT/run/$name.pid
    [[ -s $file ]] || continue
    pid=$(cat "$file")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 60); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
    rm -f "$file"
  done
  exit 0
fi

refuse() { echo "A Slurm cannot be started here: $1" >&2; exit 2; }
[[ $(id -u) == 0 ]] || refuse "it needs root."
needed=(slurmctld slurmd squeue munged)
[[ $DBD == 0 ]] || needed+=(slurmdbd mariadbd)
for name in "${needed[@]}"; do command -v "$name" >/dev/null || refuse "there is no $name; see the packages named in $0."; done
if [[ -e /etc/slurm/slurm.conf ]] && ! grep -q "^ClusterName=tunebench$" /etc/slurm/slurm.conf; then
  refuse "this machine belongs to another cluster, according to /etc/slurm/slurm.conf."
fi
if [[ $PROCTRACK == cgroup && ! -w /sys/fs/cgroup/freezer && ! -w /sys/fs/cgroup/cgroup.procs ]]; then
  refuse "PROCTRACK=cgroup needs control groups that can be written, and /sys/fs/cgroup has none; take PROCTRACK=linuxproc."
fi

mkdir -p "$ROOT"/{run,log,ctld,d/n1,d/n2} /etc/slurm
chmod 755 "$ROOT" "$ROOT"/*

# munge: any key readable by its owner alone; the socket's folder must not be writable by others.
mkdir -p /etc/munge /run/munge /var/lib/munge /var/log/munge
[[ -s /etc/munge/munge.key ]] || dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none
chown -R root: /etc/munge /run/munge /var/lib/munge /var/log/munge
chmod 400 /etc/munge/munge.key; chmod 755 /run/munge; chmod 700 /etc/munge /var/lib/munge /var/log/munge
munge -n >/dev/null 2>&1 || munged --force --pid-file="$ROOT/run/munged.pid"

# Fake GPUs: character devices like /dev/null (1,3). Slurm only counts them and numbers them by the digit at the end.
for i in $(seq 0 $((GPUS_PER_NODE - 1))); do [[ -e /dev/fakegpu$i ]] || mknod -m 666 "/dev/fakegpu$i" c 1 3; done

if [[ $PROCTRACK == cgroup ]]; then TASK=task/cgroup; GATHER=jobacct_gather/cgroup; else TASK=task/none; GATHER=jobacct_gather/linux; fi
if [[ $DBD == 1 ]]; then STORE=accounting_storage/slurmdbd; else STORE=accounting_storage/none; fi

cat >/etc/slurm/slurm.conf <<CONF
ClusterName=tunebench
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
MpiDefault=none
StateSaveLocation=$ROOT/ctld
SlurmdSpoolDir=$ROOT/d/%n
SlurmctldPidFile=$ROOT/run/slurmctld.pid
SlurmdPidFile=$ROOT/run/slurmd-%n.pid
SlurmctldLogFile=$ROOT/log/slurmctld.log
SlurmdLogFile=$ROOT/log/slurmd-%n.log
SlurmdDebug=info
# Nodes are what this file says, not what the machine has.
SlurmdParameters=config_overrides
ProctrackType=proctrack/$PROCTRACK
TaskPlugin=$TASK
JobAcctGatherType=$GATHER
JobAcctGatherFrequency=5
AccountingStorageType=$STORE
AccountingStorageHost=127.0.0.1
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=2000
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=20
MessageTimeout=10
KillWait=20
MinJobAge=600
BatchStartTimeout=20
# Preemption: jobs in "main" requeue those in "scavenge" after GraceTime seconds. A requeued job waits about two minutes.
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SchedulerParameters=bf_interval=5,sched_interval=5,batch_sched_delay=1
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=16821 CPUs=2 RealMemory=10000 Gres=gpu:fake:$GPUS_PER_NODE
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=16822 CPUs=2 RealMemory=10000 Gres=gpu:fake:$GPUS_PER_NODE
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=60 DefaultTime=30 PriorityTier=10 PreemptMode=OFF State=UP
PartitionName=scavenge Nodes=n1,n2 MaxTime=60 DefaultTime=30 PriorityTier=1 PreemptMode=REQUEUE GraceTime=40 State=UP
CONF
cat >/etc/slurm/gres.conf <<CONF
AutoDetect=off
NodeName=n[1-2] Name=gpu Type=fake File=/dev/fakegpu[0-$((GPUS_PER_NODE - 1))]
CONF
cat >/etc/slurm/cgroup.conf <<CONF
CgroupPlugin=autodetect
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
ConstrainCores=no
ConstrainDevices=no
CONF

if [[ $DBD == 1 ]]; then
  mkdir -p /run/mysqld /var/lib/mysql; chown mysql: /run/mysqld
  if ! mariadb -e "select 1" >/dev/null 2>&1; then
    setsid mariadbd --user=mysql --skip-networking >"$ROOT/log/mariadbd.log" 2>&1 </dev/null &
    echo $! >"$ROOT/run/mariadbd.pid"
    for _ in $(seq 60); do mariadb -e "select 1" >/dev/null 2>&1 && break; sleep 0.5; done
  fi
  mariadb -e "create database if not exists slurm_acct_db; grant all on slurm_acct_db.* to root@localhost;"
  cat >/etc/slurm/slurmdbd.conf <<CONF
AuthType=auth/munge
DbdHost=localhost
SlurmUser=root
PidFile=$ROOT/run/slurmdbd.pid
LogFile=$ROOT/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
CONF
  chmod 600 /etc/slurm/slurmdbd.conf
  slurmdbd
  for _ in $(seq 40); do sacctmgr -n list cluster >/dev/null 2>&1 && break; sleep 0.5; done
  sacctmgr -i add cluster tunebench >/dev/null 2>&1 || true
  sacctmgr -i add account root >/dev/null 2>&1 || true
  sacctmgr -i add user root account=root >/dev/null 2>&1 || true
fi

slurmctld -c
for node in n1 n2; do slurmd -N "$node"; done
ready() { [[ $(sinfo -h -N -p main -t idle -o %N 2>/dev/null | wc -l) == 2 ]]; }
for _ in $(seq 240); do ready && break; sleep 0.5; done
ready || refuse "its nodes did not come up within two minutes; the logs are in $ROOT/log."
sinfo -N -o "%N %T %c %m %G %P"

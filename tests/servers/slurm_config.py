"""The texts that make a Slurm: what is mounted in the login node, how a compute node boots, and slurm.conf."""

from __future__ import annotations

from pathlib import Path

MEMORY_CGROUPS = Path("/sys/fs/cgroup/memory")  # version 1, which Slurm can use without systemd

# All that Slurm keeps is below /var/spool/slurm; what was there in the machine is hidden from the host.
LAY_OUT = """
mount -t tmpfs tmpfs /var/spool
mkdir -p /var/spool/slurm/etc /var/spool/slurm/log /var/spool/slurm/state
mount --bind /var/spool/slurm/etc /etc/slurm
cp /etc/hosts /etc/slurm/hosts
echo 127.0.0.1 {names} >> /etc/slurm/hosts
mount --bind /etc/slurm/hosts /etc/hosts
"""

# The shell is the node's first process: it reaps what jobs leave behind, and its end is the end of everything on the node.
BOOT_NODE = """
hostname {name}
mount -t tmpfs -o mode=1777 tmpfs /tmp
if [ -d {cgroup} ]; then mount --bind {cgroup} {memory_cgroups}; fi
slurmd -D -N {name} &
wait $!
"""

# Peers are believed (auth/none): the cluster listens on the loopback device only. Its address is the one that the accounting
# sees the controller come from, and sends what has changed.
# Without an Epilog the controller looks for work once a second only, however many jobs have ended.
CONFIG = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=20
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=/var/spool/slurm/state
SlurmdSpoolDir=/var/spool/slurm/%n
SlurmctldPidFile=/var/spool/slurm/slurmctld.pid
SlurmdPidFile=/var/spool/slurm/%n.pid
SlurmctldLogFile=/var/spool/slurm/log/slurmctld
SlurmdLogFile=/var/spool/slurm/log/%n
ProctrackType=proctrack/linuxproc
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=2
Epilog=/bin/true
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=60
MessageTimeout=20
KillWait=2
MinJobAge=300
OverTimeLimit=0
EnforcePartLimits=ALL
MaxJobCount=20000
MaxArraySize={max_array_size}
DefMemPerCPU={memory_per_cpu}
"""
CONSTRAIN_MEMORY = "TaskPlugin=task/cgroup\n"
CGROUP_CONFIG = f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={MEMORY_CGROUPS.parent}\nConstrainRAMSpace=yes\n"
WATCH_MEMORY = "JobAcctGatherParams=OverMemoryKill\n"  # what is killed has FAILED then, and only its output says why
PARTITIONS = """
PartitionName=batch Nodes=ALL Default=YES MaxTime=1:00:00
PartitionName=short Nodes={first} MaxTime=0:01:00
"""

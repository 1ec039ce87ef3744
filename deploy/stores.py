"""Stores that fail over, of the scripts' own: a PostgreSQL with a standby, Redis by Sentinel and as a Cluster, PgBouncer."""

import asyncio
import atexit
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

from nodes import as_postgres, free_port, run


class Forwarder:
    """One address for a server that may be another tomorrow, as a virtual IP is."""

    def __init__(self, target):
        self.port, self.target, self.open = free_port(), target, set()
        # A loop of its own: it has to forward while this script waits for a node to start.
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(asyncio.start_server(self.forward, "127.0.0.1", self.port), self.loop).result()

    async def forward(self, reader, writer):
        try:
            other, onwards = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return writer.close()
        self.open |= {writer, onwards}
        await asyncio.gather(self.copy(reader, onwards), self.copy(other, writer))
        self.open -= {writer, onwards}

    async def copy(self, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    def lead_to(self, target):
        self.loop.call_soon_threadsafe(self.change, target)

    def change(self, target):
        self.target = target
        for writer in self.open:
            writer.close()


class Standby:
    """A second PostgreSQL that follows that of servers.sh synchronously, so that what was confirmed is on both."""

    def __init__(self, servers, folder):
        self.servers, self.primary, self.port = servers, urlsplit(servers.postgres).port, free_port()
        self.data, self.log = servers.folder / "postgres/standby", servers.folder / "postgres/standby.log"
        programs = servers.programs
        run(*as_postgres(), f"{programs}/pg_basebackup", "-h", "127.0.0.1", "-p", self.primary, "-U", "postgres",
            "-D", self.data, "-R", "-X", "stream", "-c", "fast")
        self.control(self.data, "-o", f"-p {self.port}", "-l", self.log, "start")
        atexit.register(self.control, self.data, "-m", "immediate", "stop", check=False)
        servers.sql("alter system set synchronous_standby_names = '*'")
        servers.sql("select pg_reload_conf()")
        while servers.sql("select count(*) from pg_stat_replication where sync_state = 'sync'").strip() != "1":
            time.sleep(0.1)
        self.forwarder = Forwarder(self.primary)

    def control(self, data, *arguments, check=True):
        # Files, not pipes: the server keeps what it got from its parent.
        command = [*as_postgres(), f"{self.servers.programs}/pg_ctl", "-D", data, "-w", *arguments]
        done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        assert not check or done.returncode == 0, command

    def url(self, multi_host):
        if multi_host:
            return (f"postgres://postgres@127.0.0.1:{self.primary},127.0.0.1:{self.port}/postgres"
                    "?target_session_attrs=read-write")
        return f"postgres://postgres@127.0.0.1:{self.forwarder.port}/postgres"

    async def stop_primary(self):
        await asyncio.to_thread(self.control, self.servers.folder / "postgres/data", "-m", "immediate", "stop")

    async def promote(self):
        await asyncio.to_thread(self.control, self.data, "promote")
        self.forwarder.lead_to(self.port)

    async def back_to_the_beginning(self):
        """The first one again, alone; what it lacks is of no interest any more."""
        await asyncio.to_thread(self.control, self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.data)
        await asyncio.to_thread(self.control, self.servers.folder / "postgres/data", "-o", f"-p {self.primary}",
                                "-l", self.servers.folder / "postgres/log", "start")
        self.servers.sql("alter system reset synchronous_standby_names")
        self.servers.sql("select pg_reload_conf()")


class RedisProcesses:
    """Servers of Redis that end with the script."""

    def __init__(self, folder):
        self.folder, self.processes = folder / f"redis-{time.monotonic_ns()}", {}
        self.folder.mkdir()
        atexit.register(self.stop)

    def launch(self, program, port, *lines):
        own = self.folder / str(port)
        own.mkdir()
        config = own / "conf"
        config.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {own}", "save ''", *lines]) + "\n")
        with (own / "log").open("wb") as log:
            self.processes[port] = subprocess.Popen([program, config], stdout=log, stderr=log)
        while self.ask(port, "ping") != "PONG":
            assert self.processes[port].poll() is None, (own / "log").read_text()
            time.sleep(0.05)

    def ask(self, port, *command):
        done = subprocess.run(["redis-cli", "-p", str(port), *map(str, command)], capture_output=True, text=True)
        return done.stdout.strip()

    def kill(self, port):
        self.processes[port].kill()
        self.processes[port].wait()

    def stop(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()


class Sentinels(RedisProcesses):
    """A master, a replica, and three sentinels."""

    def __init__(self, folder):
        super().__init__(folder)
        self.master, self.replica = free_port(), free_port()
        self.launch("redis-server", self.master)
        self.launch("redis-server", self.replica, f"replicaof 127.0.0.1 {self.master}")
        self.sentinels = [free_port() for _ in range(3)]
        program = shutil.which("redis-sentinel") or sys.exit("there is no redis-sentinel here: deploy/servers.sh install faults")
        for port in self.sentinels:
            self.launch(program, port, f"sentinel monitor fa 127.0.0.1 {self.master} 2",
                        "sentinel down-after-milliseconds fa 1000", "sentinel failover-timeout fa 5000")
        while "master_link_status:up" not in self.ask(self.replica, "info", "replication"):
            time.sleep(0.1)
        # They have to know each other before they can agree.
        while self.ask(self.sentinels[0], "sentinel", "ckquorum", "fa").split(" ")[0] != "OK":
            time.sleep(0.2)

    def settings(self):
        hosts = ",".join(f"redis://127.0.0.1:{it}" for it in self.sentinels)
        return {"REDIS__MODE": "sentinel", "REDIS__URL": "redis://fa", "REDIS__SENTINEL__URLS": hosts}

    def lose_a_master(self):
        self.kill(self.master)

    async def until_it_is_replaced(self):
        while self.ask(self.sentinels[0], "sentinel", "get-master-addr-by-name", "fa").split("\n")[-1] != str(self.replica):
            await asyncio.sleep(0.1)


class Cluster(RedisProcesses):
    """Three masters, each with a replica."""

    def __init__(self, folder):
        super().__init__(folder)
        self.ports = [free_port() for _ in range(6)]
        for port in self.ports:
            self.launch("redis-server", port, "cluster-enabled yes", "cluster-node-timeout 1500")
        run("redis-cli", "--cluster", "create", *(f"127.0.0.1:{it}" for it in self.ports), "--cluster-replicas", "1",
            "--cluster-yes")
        while any("cluster_state:ok" not in self.ask(it, "cluster", "info") for it in self.ports) or 3 != sum(
            "master_link_status:up" in self.ask(it, "info", "replication") for it in self.ports
        ):
            time.sleep(0.1)

    def settings(self):
        nodes = ",".join(f"127.0.0.1:{it}" for it in self.ports)
        return {"REDIS__MODE": "cluster", "REDIS__URL": f"redis://127.0.0.1:{self.ports[0]}",
                "REDIS__CLUSTER__NODES": nodes, "REDIS__KEY_PREFIX": "{faults}:"}

    def lose_a_master(self):
        self.killed = next(it for it in self.ports if "role:master" in self.ask(it, "info", "replication"))
        self.kill(self.killed)

    async def until_it_is_replaced(self):
        others = [it for it in self.ports if it != self.killed]
        while any("cluster_state:ok" not in self.ask(it, "cluster", "info") for it in others) or 3 != sum(
            "role:master" in self.ask(it, "info", "replication") for it in others
        ):
            await asyncio.sleep(0.2)


class PgBouncer:
    """Debian's, in transaction mode, before the PostgreSQL of servers.sh."""

    def __init__(self, servers, folder):
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if not os.path.exists(program):
            sys.exit("there is no pgbouncer here: deploy/servers.sh install faults")
        self.version = re.search(r"[\d.]+", run(program, "--version"))[0]
        self.port, port = free_port(), urlsplit(servers.postgres).port
        config, log = folder / f"pgbouncer-{self.port}.ini", folder / f"pgbouncer-{self.port}.log"
        config.write_text(f"""[databases]
postgres = host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 20
ignore_startup_parameters = extra_float_digits
""".replace("postgres = host", "postgres = user=postgres host"))
        (folder / "users.txt").write_text('"postgres" ""\n')
        os.chmod(folder, 0o755)
        log.touch()
        os.chmod(log, 0o666)
        # It refuses to run as root.
        with log.open("wb") as output:
            self.process = subprocess.Popen([*as_postgres(), program, "-q", config], stdout=output, stderr=output)
        atexit.register(self.stop)
        time.sleep(0.5)
        assert self.process.poll() is None, log.read_text()

    def settings(self):
        return {"DATABASE__URL": f"postgres://postgres@127.0.0.1:{self.port}/postgres"}

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

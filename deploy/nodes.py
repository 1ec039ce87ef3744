"""The service as a process, the throw-away servers of servers.sh, and proxies before nodes. For the scripts beside this."""

import asyncio
import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from load import Connection

HERE = Path(__file__).resolve().parent


def free_port():
    """Below the range that outgoing connections are given: it stays free while a node is away."""
    command = 'source "$1/lib.sh" && free_port'
    found = subprocess.run(["bash", "-c", command, "bash", HERE], capture_output=True, text=True, check=True)
    return int(found.stdout)


def run(*command, **options):
    """Runs a command to its end, quietly, unless it fails."""
    done = subprocess.run([str(it) for it in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_ring(binary, file):
    """A key ring that several nodes share."""
    ring = run(binary, "keys", "generate", env={"PATH": os.environ["PATH"]})
    with open(file, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as to:
        to.write(ring)
    return file


class Service:
    """One node. Its ports stay the same when it starts again."""

    def __init__(self, folder, binary, environment=None, **settings):
        folder = Path(folder)
        self.folder = Path(settings.pop("DATA_DIR", folder / f"service-{time.monotonic_ns()}"))
        self.folder.mkdir(exist_ok=True)
        defaults = {
            "DATA_DIR": str(self.folder),
            "HTTP__LISTEN": "127.0.0.1:0",
            "MANAGEMENT__LISTEN": "127.0.0.1:0",
            "PROTECTION__EXEMPT_NETWORKS": "127.0.0.0/8",
            "TELEMETRY__LOG_FORMAT": "json",
            "TELEMETRY__LOG": "warn,server=info,identity_adapters_postgres=info,adapters_redis=info",
        }
        self.environment = {f"FASHIONISTAR_AUTH__{it}": str(value) for it, value in (defaults | settings).items()}
        self.environment |= environment or {}
        self.binary, self.log = binary, folder / f"{self.folder.name}-{time.monotonic_ns()}.log"
        self.start()

    def start(self):
        self.launch()
        while not (ready := self.logged("ready", since=self.before)):
            if self.process.poll() is not None:
                sys.exit(self.log.read_text()[-4000:])
            time.sleep(0.05)
        self.public, self.management = (int(ready[0][it].rpartition(":")[2]) for it in ("public", "management"))

    def launch(self, stderr=None):
        self.before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.binary], env=self.environment, stdout=log, stderr=stderr or log)
        # However this script ends. A service that has ended by then takes no harm.
        atexit.register(self.process.kill)

    def logged(self, message, since=0):
        lines = self.log.read_bytes()[since:].decode(errors="replace").splitlines()
        lines = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}"))
        return [line for line in lines if line["message"] == message]

    def memory(self, which):
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(which))

    async def until(self, wanted):
        while True:
            try:
                if (await Connection(self.management).ask("GET", "/health/ready"))[2]["status"] in wanted:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(40) != 0:
            sys.exit(f"the service ended with {self.process.returncode}")

    async def stop_while_others_go_on(self):
        await asyncio.to_thread(self.stop)


class Servers:
    """The throw-away servers of servers.sh."""

    def __init__(self, programs):
        self.folder, self.programs = Path(os.environ["TEST_SERVERS_DIR"]), programs
        self.postgres, self.redis = os.environ["TEST_POSTGRES_URL"], os.environ["TEST_REDIS_URL"]

    def pids(self, name):
        file = self.folder / ("postgres/data/postmaster.pid" if name == "postgres" else "redis/pid")
        parent = int(file.read_text().split()[0])
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]

    def send(self, name, number):
        for pid in self.pids(name):
            os.kill(pid, number)

    async def run(self, *command):
        process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        assert await process.wait() == 0, command

    async def restart_postgres(self):
        data = self.folder / "postgres/data"
        port = urlsplit(self.postgres).port
        await self.run(*as_postgres(), f"{self.programs}/pg_ctl", "-D", data, "-m", "immediate", "-o", f"-p {port}",
                       "-l", self.folder / "postgres/log", "-w", "restart")

    async def stop_redis(self):
        await self.run("redis-cli", "-p", str(urlsplit(self.redis).port), "shutdown", "nosave")

    async def start_redis(self):
        await self.run("redis-server", self.folder / "redis/redis.conf")

    def settings(self):
        return {"DATABASE__URL": self.postgres, "REDIS__URL": self.redis,
                "REDIS__KEY_PREFIX": f"faults-{time.monotonic_ns()}:"}

    def sql(self, text, url=None):
        return run(f"{self.programs}/psql", url or self.postgres, "-XqtA", "-v", "ON_ERROR_STOP=1", "-c", text)

    def freshen(self):
        """An empty database."""
        self.sql("set client_min_messages = error; drop schema public cascade; create schema public")


def as_postgres():
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


class Proxy:
    """haproxy or nginx, with the example of this folder, before nodes that listen on these ports."""

    def __init__(self, kind, folder, nodes):
        self.folder, self.port, self.processes = Path(folder) / f"{kind}-{time.monotonic_ns()}", free_port(), []
        self.folder.mkdir()
        self.log = self.folder / "log"
        program = shutil.which(kind) or f"/usr/sbin/{kind}"
        if not Path(program).exists():
            sys.exit(f"there is no {kind} here: deploy/servers.sh install faults")
        example = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[kind]
        config = self.folder / example
        config.write_text(adapted(kind, (HERE / example).read_text(), self.folder, self.port, nodes))
        if kind == "haproxy":
            run(program, "-c", "-f", config)
            self.launch(program, "-db", "-f", config)
        else:
            call = [program, "-c", config, "-p", self.folder, "-e", self.log]
            run(*call, "-t", "-q")
            self.launch(*call, "-g", "daemon off;")
            self.launch(HERE / "nginx-watch.sh", *(f"127.0.0.1:{it}" for it in nodes),
                        env=os.environ | {"NODES_DIR": str(self.folder / "nodes")})
        atexit.register(self.stop)

    def launch(self, *command, **options):
        with self.log.open("ab") as log:
            self.processes.append(subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, **options))

    async def until_serving(self):
        while (await self.status()) != 200:
            assert all(it.poll() is None for it in self.processes), self.log.read_text()
            await asyncio.sleep(0.05)

    async def status(self):
        try:
            return (await Connection(self.port).ask("GET", "/api/v1/countries"))[0]
        except (OSError, asyncio.IncompleteReadError):
            return None

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            process.wait(20)


def adapted(kind, text, folder, port, nodes):
    """The example as it stands, but for addresses, certificates, and where it lies."""
    for number, node in enumerate(nodes, 1):
        assert f"10.0.0.1{number}:8080" in text, text
        text = text.replace(f"10.0.0.1{number}:8080", f"127.0.0.1:{node}")
    if kind == "haproxy":
        text = re.sub(r"bind :443 .*", f"bind 127.0.0.1:{port}", text)
        return text.replace("bind :80\n", f"bind 127.0.0.1:{free_port()}\n")
    text = re.sub(r"^ *ssl_.*\n", "", text, flags=re.M)
    text = text.replace("listen 443 ssl http2;", f"listen 127.0.0.1:{port};")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    text = text.replace("/run/fashionistar-auth-nodes", str(folder / "nodes"))
    paths = "".join(f"{it}_temp_path {folder};\n" for it in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (f"{user}worker_processes 2;\npid {folder}/pid;\nerror_log {folder}/log notice;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\n{paths}{text}}}\n")

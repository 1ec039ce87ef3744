#!/usr/bin/env python3
"""Load on the service while something it depends on is away. Started by faults.sh; needs nothing but Python 3.11."""

import argparse
import asyncio
import atexit
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

PASSWORD = "lilac-Harbour-42-zeppelin"
CLIENTS = 24
# Of one client between two requests: an account may send 600 a minute.
PACE = 0.11
FLOOD_CLIENTS = 300
FLOOD_SECONDS = 60
# A client that was refused tries again after so long, as an impatient person does.
FLOOD_PAUSE = 0.25


class Connection:
    """HTTP/1.1 over one connection that is opened again when it breaks."""

    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def ask(self, method, path, body=None, token=None, patience=60):
        return await asyncio.wait_for(self._ask(method, path, body, token), patience)

    async def _ask(self, method, path, body, token):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(payload)}\r\n"
        head += "Content-Type: application/json\r\n" if payload else ""
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        try:
            self.writer.write(head.encode() + b"\r\n" + payload)
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            answer = await self.reader.readexactly(int(headers.get("content-length", 0)))
        except (OSError, asyncio.IncompleteReadError):
            self.writer.close()
            self.writer = None
            raise
        return int(lines[0].split()[1]), headers, json.loads(answer) if answer else None


class Record:
    """When what was answered, with what, and how long it took."""

    def __init__(self):
        self.rows, self.began = [], time.monotonic()

    def now(self):
        return time.monotonic() - self.began

    async def ask(self, what, connection, *request, **options):
        at = self.now()
        try:
            status, headers, body = await connection.ask(*request, **options)
        except Exception as error:  # Whatever it is, it is no answer.
            status, headers, body = type(error).__name__, {}, None
        if status == 503 and "retry-after" not in headers:
            status = "503 without Retry-After"
        self.rows.append((at, self.now(), what, status))
        return status, body

    def show(self, title, since=0.0, until=None):
        until = self.now() if until is None else until
        rows = [row for row in self.rows if since <= row[0] < until]
        print(f"  {title}: {len(rows)} requests in {until - since:.1f} s")
        for what in sorted({row[2] for row in rows}):
            times = sorted(row[1] - row[0] for row in rows if row[2] == what)
            statuses = Counter(row[3] for row in rows if row[2] == what)
            refused = sorted(row[1] - row[0] for row in rows if row[2] == what and row[3] == 503)
            by_status = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items(), key=str))
            longest_503 = f", longest 503 {refused[-1] * 1000:.0f} ms" if refused else ""
            middle, most = times[len(times) // 2], times[int(len(times) * 0.99)]
            print(
                f"    {what:8} {by_status:34} p50 {middle * 1000:6.1f} ms, p99 {most * 1000:6.1f} ms, "
                f"longest {times[-1] * 1000:6.0f} ms{longest_503}"
            )

    def errors(self, since, until):
        rows = [row for row in self.rows if since <= row[0] < until]
        failed = sum(1 for row in rows if not (isinstance(row[3], int) and row[3] < 300))
        return f"{failed} of {len(rows)} ({100 * failed / max(1, len(rows)):.2f} %)"

    def recovered(self, since):
        """When the last request that failed was sent, after `since`."""
        failed = [row[0] for row in self.rows if row[0] >= since and not (isinstance(row[3], int) and row[3] < 300)]
        return max(failed, default=since) - since


class Service:
    def __init__(self, arguments, **settings):
        self.folder = Path(settings.pop("DATA_DIR", Path(arguments.folder) / f"service-{time.monotonic_ns()}"))
        self.folder.mkdir(exist_ok=True)
        defaults = {
            "DATA_DIR": str(self.folder),
            "HTTP__LISTEN": "127.0.0.1:0",
            "MANAGEMENT__LISTEN": "127.0.0.1:0",
            "PROTECTION__EXEMPT_NETWORKS": "127.0.0.0/8",
            "TELEMETRY__LOG_FORMAT": "json",
            "TELEMETRY__LOG": "warn,server=info,identity_adapters_postgres=info,adapters_redis=info",
        }
        environment = {f"FASHIONISTAR_AUTH__{name}": value for name, value in (defaults | settings).items()}
        self.log = Path(arguments.folder) / f"{self.folder.name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([arguments.binary], env=environment, stdout=log, stderr=log)
        # However this script ends. A service that has ended by then takes no harm.
        atexit.register(self.process.kill)
        while not (ready := self.logged("ready")):
            if self.process.poll() is not None:
                sys.exit(self.log.read_text())
            time.sleep(0.05)
        self.public, self.management = (int(ready[0][name].rpartition(":")[2]) for name in ("public", "management"))

    def logged(self, message):
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}"))
        return [line for line in lines if line["message"] == message]

    def memory(self, which):
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(which))

    async def until(self, wanted):
        connection = Connection(self.management)
        while (await connection.ask("GET", "/health/ready"))[2]["status"] != wanted:
            await asyncio.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(40) != 0:
            sys.exit(f"the service ended with {self.process.returncode}")


class Person:
    def __init__(self, service, number):
        self.connection, self.email = Connection(service.public), f"person-{number}@example.com"
        self.confirmed = self.sent = 0

    async def register(self):
        body = {"email": self.email, "password": PASSWORD}
        status, _, answer = await self.connection.ask("POST", "/api/v1/auth/register", body)
        assert status == 202, answer
        challenge = answer["data"]["challenge_id"]
        while not (items := (await self.connection.ask("GET", f"/dev/mailbox?to={self.email}"))[2]["items"]):
            await asyncio.sleep(0.05)
        body = {"challenge_id": challenge, "code": items[0]["code"]}
        status, _, answer = await self.connection.ask("POST", "/api/v1/auth/verify-otp", body)
        assert status == 201, answer
        self.keep(answer)

    def keep(self, answer):
        self.tokens = answer["data"]["tokens"]

    async def use(self, record, stop):
        """Looks, renames, renews; and signs out and in again now and then."""
        turn = 0
        while not stop.is_set():
            access = self.tokens["access_token"]
            turn += 1
            if turn % 60 == 0:
                await record.ask("logout", self.connection, "POST", "/api/v1/auth/logout", token=access)
                await self.sign_in(record, stop)
            elif turn % 6 == 0:
                await self.renew(record, stop)
            elif turn % 6 == 3:
                self.sent += 1
                body = {"first_name": f"Person {self.sent}"}
                status, _ = await record.ask("rename", self.connection, "PATCH", "/api/v1/me", body, token=access)
                self.confirmed = self.sent if status == 200 else self.confirmed
            else:
                await record.ask("me", self.connection, "GET", "/api/v1/me", token=access)
            await asyncio.sleep(PACE)

    async def sign_in(self, record, stop):
        body = {"identifier": self.email, "password": PASSWORD}
        while not stop.is_set():
            status, answer = await record.ask("login", self.connection, "POST", "/api/v1/auth/login", body)
            if status == 200:
                return self.keep(answer)
            await asyncio.sleep(1)

    async def renew(self, record, stop):
        while not stop.is_set():
            body = {"refresh_token": self.tokens["refresh_token"]}
            status, answer = await record.ask("refresh", self.connection, "POST", "/api/v1/auth/token/refresh", body)
            if status == 200:
                return self.keep(answer)
            await asyncio.sleep(PACE)

    async def promises_were_kept(self, record):
        self.connection = Connection(self.connection.port)
        never = asyncio.Event()
        await self.sign_in(record, never)
        status, _, answer = await self.connection.ask("GET", "/api/v1/me", token=self.tokens["access_token"])
        number = int((answer["data"]["profile"]["first_name"] or "Person 0").split()[1])
        return status == 200 and self.confirmed <= number <= self.sent


async def people(service):
    everybody = [Person(service, number) for number in range(CLIENTS)]
    for person in everybody:
        await person.register()
    return everybody


async def under_load(title, service, everybody, before, fault, after):
    """`fault` returns when the fault has ended."""
    record, stop = Record(), asyncio.Event()
    load = [asyncio.create_task(person.use(record, stop)) for person in everybody]
    await asyncio.sleep(before)
    began = record.now()
    await fault()
    ended = record.now()
    await service.until("ready")
    ready = record.now()
    await asyncio.sleep(after)
    stop.set()
    await asyncio.gather(*load)
    print(f"{title}\n  errors before: {record.errors(0, began)}, during: {record.errors(began, ended)}, "
          f"after: {record.errors(ended, record.now())}")
    record.show("from the beginning of the fault", began)
    print(f"  after its end: last refusal sent {record.recovered(ended):.2f} s, ready {ready - ended:.2f} s")
    kept = [await person.promises_were_kept(record) for person in everybody]
    print(f"  promises kept of {kept.count(True)} of {len(kept)} people, "
          f"{sum(person.confirmed for person in everybody)} confirmed writes")


class Servers:
    """The throw-away servers of servers.sh."""

    def __init__(self, arguments):
        self.folder, self.programs = Path(os.environ["TEST_SERVERS_DIR"]), arguments.postgres_programs
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
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        data = self.folder / "postgres/data"
        port = urlsplit(self.postgres).port
        await self.run(*user, f"{self.programs}/pg_ctl", "-D", data, "-m", "immediate", "-o", f"-p {port}",
                       "-l", self.folder / "postgres/log", "-w", "restart")

    async def stop_redis(self):
        await self.run("redis-cli", "-p", str(urlsplit(self.redis).port), "shutdown", "nosave")

    async def start_redis(self):
        await self.run("redis-server", self.folder / "redis/redis.conf")

    def service(self, arguments):
        return Service(arguments, DATABASE__URL=self.postgres, REDIS__URL=self.redis,
                       REDIS__KEY_PREFIX=f"faults-{time.monotonic_ns()}:")

    def freshen(self):
        """An empty database."""
        subprocess.run([f"{self.programs}/psql", self.postgres, "-qc", "drop schema public cascade; create schema public"],
                       check=True, stderr=subprocess.DEVNULL)


async def redis(arguments):
    servers = Servers(arguments)
    servers.freshen()
    service = servers.service(arguments)
    everybody = await people(service)

    async def stopped():
        await servers.stop_redis()
        await asyncio.sleep(6)
        await servers.start_redis()

    async def frozen():
        servers.send("redis", signal.SIGSTOP)
        await asyncio.sleep(6)
        servers.send("redis", signal.SIGCONT)

    await under_load("Redis stopped for 6 s", service, everybody, 3, stopped, 6)
    await under_load("Redis frozen for 6 s", service, everybody, 3, frozen, 6)
    service.stop()


async def postgres(arguments):
    servers = Servers(arguments)
    servers.freshen()
    service = servers.service(arguments)
    everybody = await people(service)
    await under_load("PostgreSQL restarted (-m immediate)", service, everybody, 3, servers.restart_postgres, 8)
    service.stop()


async def frozen(arguments):
    servers = Servers(arguments)
    servers.freshen()
    service = servers.service(arguments)
    everybody = await people(service)

    async def freeze():
        servers.send("redis", signal.SIGSTOP)
        servers.send("postgres", signal.SIGSTOP)
        await asyncio.sleep(8)
        servers.send("postgres", signal.SIGCONT)
        servers.send("redis", signal.SIGCONT)

    await under_load("PostgreSQL and Redis frozen for 8 s", service, everybody, 3, freeze, 8)
    service.stop()


async def disk(arguments):
    small = Path(arguments.folder) / "small"
    service = Service(arguments, DATA_DIR=small)
    everybody = await people(service)

    async def full():
        with (small / "ballast").open("wb", buffering=0) as ballast:
            while True:
                try:
                    ballast.write(bytes(4096))
                except OSError:
                    break
        await asyncio.sleep(8)
        (small / "ballast").unlink()

    await under_load("The disk of the embedded database full for 8 s", service, everybody, 3, full, 8)
    full_lines = len(service.logged("the disk is full: what writes to the database is refused"))
    service.stop()
    verdict = sqlite3.connect(small / "fashionistar-auth.sqlite").execute("pragma integrity_check").fetchall()
    print(f"  integrity_check: {verdict[0][0]}; said in the log {full_lines} time(s)")


async def flood(arguments):
    servers = Servers(arguments)
    servers.freshen()
    service = servers.service(arguments)
    everybody = (await people(service))[:4]
    record, stop = Record(), asyncio.Event()
    before = service.memory("VmRSS")

    async def look(person):
        while not stop.is_set():
            await record.ask("me", person.connection, "GET", "/api/v1/me", token=person.tokens["access_token"])
            await asyncio.sleep(PACE)

    async def attack(number):
        connection, turn = Connection(service.public), 0
        while record.now() < FLOOD_SECONDS + 5:
            turn += 1
            # Half of them are people, with a wrong password; the others are nobody.
            whom = f"person-{turn % CLIENTS}@example.com" if turn % 2 else f"nobody-{number}-{turn}@example.com"
            body = {"identifier": whom, "password": "umbrella-Canyon-13-violet"}
            status, _ = await record.ask("flood", connection, "POST", "/api/v1/auth/login", body)
            if status != 401:
                await asyncio.sleep(FLOOD_PAUSE)

    looking = [asyncio.create_task(look(person)) for person in everybody]
    await asyncio.sleep(5)
    await asyncio.gather(*(attack(number) for number in range(FLOOD_CLIENTS)))
    ended, peak = record.now(), service.memory("VmHWM")
    # Somebody new signs in from here on, until it costs what it costs on an idle service.
    newcomer = everybody[0]
    newcomer.email, newcomer.connection = f"person-{CLIENTS - 1}@example.com", Connection(service.public)
    after = Record()
    while True:
        body = {"identifier": "somebody@example.com", "password": PASSWORD}
        status, _ = await after.ask("login", newcomer.connection, "POST", "/api/v1/auth/login", body)
        at, answered = after.rows[-1][:2]
        if status in (401, 429) and answered - at < 0.1:
            break
        await asyncio.sleep(0.05)
    recovered = after.now()
    await asyncio.sleep(3)
    stop.set()
    await asyncio.gather(*looking)
    print(f"Flood: {FLOOD_CLIENTS} clients for {FLOOD_SECONDS} s")
    record.show("before", 0, 5)
    record.show("during", 5, ended)
    record.show("after", ended)
    print(f"  memory: {before:.0f} MiB before, {peak:.0f} MiB at the most; "
          f"a sign-in below 100 ms again {recovered:.2f} s after the end")
    service.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    faults = {"redis": redis, "postgres": postgres, "frozen": frozen, "disk": disk, "flood": flood}
    parser.add_argument("fault", choices=faults)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--postgres-programs", required=True)
    arguments = parser.parse_args()
    asyncio.run(faults[arguments.fault](arguments))


main()

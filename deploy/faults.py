#!/usr/bin/env python3
"""Load on the service while something it depends on is away. Started by faults.sh; needs nothing but Python 3.11."""

import argparse
import asyncio
import signal
import sqlite3
import time
from pathlib import Path

import faults_proxied
from load import CLIENTS, PACE, PASSWORD, Connection, Record, people
from nodes import Servers, Service

FLOOD_CLIENTS = 300
FLOOD_SECONDS = 60
# A client that was refused tries again after so long, as an impatient person does.
FLOOD_PAUSE = 0.25


async def under_load(title, service, everybody, before, fault, after):
    """`fault` returns when the fault has ended."""
    record, stop = Record(), asyncio.Event()
    load = [asyncio.create_task(person.use(record, stop)) for person in everybody]
    await asyncio.sleep(before)
    began = record.now()
    await fault()
    ended = record.now()
    await service.until({"ready"})
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


async def redis(arguments):
    servers = Servers(arguments.postgres_programs)
    servers.freshen()
    service = Service(arguments.folder, arguments.binary, **servers.settings())
    everybody = await people(service.public)

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
    servers = Servers(arguments.postgres_programs)
    servers.freshen()
    service = Service(arguments.folder, arguments.binary, **servers.settings())
    everybody = await people(service.public)
    await under_load("PostgreSQL restarted (-m immediate)", service, everybody, 3, servers.restart_postgres, 8)
    service.stop()


async def frozen(arguments):
    servers = Servers(arguments.postgres_programs)
    servers.freshen()
    service = Service(arguments.folder, arguments.binary, **servers.settings())
    everybody = await people(service.public)

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
    service = Service(arguments.folder, arguments.binary, DATA_DIR=small)
    everybody = await people(service.public)

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
    servers = Servers(arguments.postgres_programs)
    servers.freshen()
    service = Service(arguments.folder, arguments.binary, **servers.settings())
    everybody = (await people(service.public))[:4]
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
    faults |= faults_proxied.FAULTS
    parser.add_argument("fault", choices=faults)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--postgres-programs", required=True)
    parser.add_argument("--proxies", nargs="+", default=["haproxy", "nginx"], help="before two nodes")
    parser.add_argument("--multi-host", action="store_true", help="both hosts in database.url, instead of one address for both")
    arguments = parser.parse_args()
    asyncio.run(faults[arguments.fault](arguments))


main()

"""Two nodes behind haproxy or nginx while something happens to them, or to what they depend on. Part of faults.py."""

import asyncio
import os
import signal
import time
from pathlib import Path

import stores
from load import Record, people
from nodes import Proxy, Servers, Service, free_port, make_ring

ROUNDS = 6
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
# How long the load runs before and after what happens, in seconds.
BEFORE, AFTER = 3, 6


class Pair:
    """Two nodes on the same stores and keys, and a proxy before them."""

    def __init__(self, arguments, proxy, environments=({}, {}), binary=None, **settings):
        folder = Path(arguments.folder) / f"pair-{time.monotonic_ns()}"
        folder.mkdir()
        ring = make_ring(binary or arguments.binary, folder / "keys.json")
        # One issuer of tokens for both.
        shared = {"KEYS__FILE": ring, "HTTP__PUBLIC_URL": "http://localhost:8080", "HTTP__DRAIN_DELAY_SECONDS": 5, "DATABASE__MAX_CONNECTIONS": 8}
        self.nodes = []
        for number, environment in enumerate(environments):
            # It comes back at the address that the proxy knows.
            own = {"DATA_DIR": folder / f"node-{number}", "HTTP__LISTEN": f"127.0.0.1:{free_port()}",
                   "MANAGEMENT__LISTEN": f"127.0.0.1:{free_port()}"}
            self.nodes.append(Service(folder, binary or arguments.binary, environment, **shared | settings | own))
        self.public = [it.public for it in self.nodes]
        self.proxy = Proxy(proxy, folder, self.public)

    async def people(self):
        await self.proxy.until_serving()
        return await people(self.proxy.port, self.public)

    def stop(self):
        self.proxy.stop()
        for node in self.nodes:
            if node.process.poll() is None:
                node.stop()

    async def replace(self, node, binary=None):
        """One step of a rolling restart: as systemd and an operator do it, waiting for the new one to be ready."""
        await node.stop_while_others_go_on()
        node.binary = binary or node.binary
        await asyncio.to_thread(node.start)
        await node.until({"ready", "degraded"})
        # The proxy asks twice before it believes it.
        await asyncio.sleep(3)


async def judged(title, pair, everybody, happens, after=AFTER):
    """What people were answered while it happened and afterwards: prints it, and says how much of it went wrong."""
    record, stop = Record(), asyncio.Event()
    load = [asyncio.create_task(person.use(record, stop)) for person in everybody]
    await asyncio.sleep(BEFORE)
    began = record.now()
    await happens()
    ended = record.now()
    await asyncio.sleep(after)
    stop.set()
    await asyncio.gather(*load)
    failed, rows = record.failed(began)
    seconds = max((row[1] for row in failed), default=began) - min((row[0] for row in failed), default=began)
    print(f"{title}: {len(failed)} of {len(rows)} requests failed, within {seconds:.2f} s; "
          f"{sum(record.signed_out.values())} sign-outs; it took {ended - began:.1f} s")
    if failed:
        record.show("of these", began)
    for what, count in record.signed_out.items():
        print(f"    {count} times 401, {what}")
    kept = [await person.promises_were_kept(record) for person in everybody]
    print(f"  promises kept of {kept.count(True)} of {len(kept)} people")
    return {"failed": len(failed), "requests": len(rows), "seconds": seconds, "signed_out": sum(record.signed_out.values())}


def both(fault):
    """The fault behind either proxy."""

    async def run(arguments):
        for proxy in arguments.proxies:
            servers = Servers(arguments.postgres_programs)
            servers.freshen()
            await fault(arguments, servers, proxy)

    return run


async def rolling(arguments, servers, proxy):
    pair = Pair(arguments, proxy, **servers.settings())
    everybody = await pair.people()

    async def restarts():
        for _ in range(ROUNDS):
            for node in pair.nodes:
                await pair.replace(node)

    await judged(f"rolling restart × {ROUNDS} behind {proxy}", pair, everybody, restarts)
    pair.stop()


async def killed(arguments, servers, proxy):
    pair = Pair(arguments, proxy, **servers.settings())
    everybody = await pair.people()

    async def kill():
        node = pair.nodes[0]
        node.process.kill()
        node.process.wait()
        await asyncio.sleep(3)
        await asyncio.to_thread(node.start)
        await node.until({"ready", "degraded"})

    await judged(f"kill -9 of a node behind {proxy}", pair, everybody, kill)
    pair.stop()


async def promotion(arguments, servers, proxy):
    standby = stores.Standby(servers, Path(arguments.folder))
    settings = servers.settings() | {"DATABASE__URL": standby.url(arguments.multi_host)}
    pair = Pair(arguments, proxy, **settings)
    everybody = await pair.people()

    async def fail_over():
        await standby.stop_primary()
        await standby.promote()
        for node in pair.nodes:
            await node.until({"ready"})

    await judged(f"PostgreSQL promotion behind {proxy}", pair, everybody, fail_over)
    pair.stop()
    await standby.back_to_the_beginning()


async def redis_fails_over(what, arguments, servers, proxy, redis):
    pair = Pair(arguments, proxy, **servers.settings() | redis.settings())
    everybody = await pair.people()

    async def fail_over():
        redis.lose_a_master()
        await redis.until_it_is_replaced()

    await judged(f"{what} behind {proxy}", pair, everybody, fail_over)
    pair.stop()
    redis.stop()


async def sentinel(arguments, servers, proxy):
    redis = stores.Sentinels(Path(arguments.folder))
    await redis_fails_over("Redis fail-over by Sentinel", arguments, servers, proxy, redis)


async def cluster(arguments, servers, proxy):
    redis = stores.Cluster(Path(arguments.folder))
    await redis_fails_over("Redis Cluster without a master", arguments, servers, proxy, redis)


async def pgbouncer(arguments, servers, proxy):
    bouncer = stores.PgBouncer(servers, Path(arguments.folder))
    pair = Pair(arguments, proxy, **servers.settings() | bouncer.settings())
    everybody = await pair.people()

    async def nothing():
        await asyncio.sleep(20)

    await judged(f"PgBouncer {bouncer.version} in transaction mode behind {proxy}", pair, everybody, nothing)
    pair.stop()
    bouncer.stop()


async def clock(arguments, servers, proxy):
    if not os.path.exists(FAKETIME):
        raise SystemExit("there is no libfaketime here: deploy/servers.sh install faults")
    # The monotonic clock stays right: it is the time of day that is wrong on such a machine.
    skewed = [{"LD_PRELOAD": FAKETIME, "FAKETIME": by, "FAKETIME_DONT_FAKE_MONOTONIC": "1"} for by in ("+90s", "-90s")]
    pair = Pair(arguments, proxy, skewed, **servers.settings())
    everybody = await pair.people()

    async def nothing():
        await asyncio.sleep(20)

    await judged(f"clocks ±90 s behind {proxy}", pair, everybody, nothing)
    pair.stop()


async def log(arguments, servers, proxy):
    """Standard error of one node is a pipe that nobody reads; every request is logged."""
    pair = Pair(arguments, proxy, TELEMETRY__LOG="debug", **servers.settings())
    everybody = await pair.people()
    node = pair.nodes[0]
    unread, pipe = os.pipe()

    async def stall():
        await node.stop_while_others_go_on()
        node.launch(stderr=pipe)
        os.close(pipe)
        await node.until({"ready", "degraded"})
        await asyncio.sleep(20)

    await judged(f"a log that nobody reads behind {proxy}", pair, everybody, stall)
    began = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    try:
        status = await asyncio.to_thread(node.process.wait, 40)
        print(f"  SIGTERM ended it after {time.monotonic() - began:.1f} s with {status}")
    except Exception:
        print("  SIGTERM did not end it within 40 s")
        node.process.kill()
        node.process.wait()
    os.close(unread)
    pair.stop()


FAULTS = {
    it.__name__: both(it) for it in (rolling, killed, promotion, sentinel, cluster, pgbouncer, clock, log)
}

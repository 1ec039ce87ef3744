#!/usr/bin/env python3
"""An upgrade and the way back under load. Started by upgrade.sh, which says what it does; nothing but Python 3.11."""

import argparse
import asyncio
import os
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from faults_proxied import Pair
from load import Record
from nodes import Servers, run

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "upgrade"
PASSWORDS = {"auth_owner": "of-the-owner-of-the-tables", "auth": "of-the-nodes-and-nobody-else"}
# How long the load goes on between two steps, in seconds.
REST = 5
# Which locks of the migration anybody may have to wait for, and who waits for a lock, whoever holds it.
WATCH = """
select 'held', clock_timestamp()::text, l.mode, coalesce(c.relname, l.locktype), 0
from pg_locks l join pg_stat_activity a using (pid) left join pg_class c on c.oid = l.relation and c.relkind in ('r', 'p')
where a.usename = 'auth_owner' and l.granted and l.database = (select oid from pg_database where datname = current_database())
  and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') and c.relname is not null
  and c.relnamespace <> 'pg_catalog'::regnamespace
union all
select 'waits', clock_timestamp()::text, usename, left(regexp_replace(query, '\\s+', ' ', 'g'), 60),
  extract(epoch from clock_timestamp() - coalesce(state_change, query_start))::float8
from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
\\watch 0.02
"""


class Upgrade:
    def __init__(self, arguments):
        self.arguments, self.folder = arguments, Path(arguments.folder)
        self.servers = Servers(arguments.postgres_programs)
        self.servers.sql(f"create database {DATABASE}")
        passwords = {"OWNER_PASSWORD": PASSWORDS["auth_owner"], "SERVICE_PASSWORD": PASSWORDS["auth"]}
        psql = [f"{self.servers.programs}/psql", self.url(None), "-Xq"]
        run(*psql, "--file", ROOT / "deploy/roles.sql", env=os.environ | passwords)
        self.migrate(arguments.old)

    def url(self, role):
        parts = urlsplit(self.servers.postgres)
        who = f"{role}:{PASSWORDS[role]}" if role else parts.username
        return urlunsplit(parts._replace(netloc=f"{who}@{parts.hostname}:{parts.port}", path=f"/{DATABASE}"))

    def migrate(self, binary):
        settings = {"FASHIONISTAR_AUTH__DATABASE__URL": self.url("auth_owner"), "FASHIONISTAR_AUTH__TELEMETRY__LOG": "off"}
        return run(binary, "migrate", "up", "--grant-to", "auth", env={"PATH": os.environ["PATH"]} | settings)

    async def migrate_watched(self):
        """The migration of the new release, and what locks came of it."""
        seen = self.folder / "locks"
        script = self.folder / "watch.sql"
        script.write_text(WATCH)
        with seen.open("wb") as output:
            watch = subprocess.Popen([f"{self.servers.programs}/psql", self.url(None), "-XqtA", "-F", "\t", "-f", script],
                                     stdout=output, stdin=subprocess.DEVNULL)
        await asyncio.sleep(0.5)
        applied = await asyncio.to_thread(self.migrate, self.arguments.new)
        await asyncio.sleep(0.5)
        watch.kill()
        watch.wait()
        names = [line.split()[1] for line in applied.splitlines() if line.startswith("applied")]
        print(f"  {len(names)} migrations: {', '.join(names) or 'none'}")
        self.tell_locks(seen.read_text())

    def tell_locks(self, text):
        held, waits = defaultdict(list), defaultdict(float)
        for line in text.splitlines():
            row = line.split("\t")
            if row[0] == "held":
                held[row[3], row[2]].append(datetime.fromisoformat(row[1].replace("+00", "+00:00")))
            elif row[0] == "waits":
                waits[row[3]] = max(waits[row[3]], float(row[4]))
        print("  locks of the migration on tables that were seen, every 20 ms:" + ("" if held else " none"))
        for (table, mode), times in sorted(held.items()):
            span = (max(times) - min(times)).total_seconds() * 1000
            print(f"    {table:32} {mode:24} " + (f"{span:7.0f} ms" if span else "below 20 ms"))
        print("  who waited for a lock:" + ("" if waits else " nobody"))
        for query, longest in sorted(waits.items(), key=lambda it: -it[1])[:10]:
            print(f"    {longest * 1000:7.0f} ms  {query}")

    async def carry_out(self):
        settings = self.servers.settings() | {"DATABASE__URL": self.url("auth")}
        self.pair = Pair(self.arguments, "haproxy", binary=self.arguments.old, **settings)
        everybody = await self.pair.people()
        self.record, stop = Record(), asyncio.Event()
        load = [asyncio.create_task(person.use(self.record, stop)) for person in everybody]
        await self.step("the old release alone", asyncio.sleep(REST))
        await self.step("migrate up of the new release, under the old nodes", self.migrate_watched())
        await self.step("to the new release", self.roll(self.arguments.new))
        await self.step("back to the old release, on the new schema", self.roll(self.arguments.old))
        await self.step("to the new release again", self.roll(self.arguments.new))
        stop.set()
        await asyncio.gather(*load)
        kept = [await person.promises_were_kept(self.record) for person in everybody]
        failed, rows = self.record.failed()
        signed_out = sum(self.record.signed_out.values())
        print(f"in all {len(failed)} of {len(rows)} requests failed, {signed_out} sign-outs, "
              f"promises kept of {kept.count(True)} of {len(kept)} people")
        self.pair.stop()
        return not failed and not signed_out and all(kept)

    async def step(self, title, doing):
        since = self.record.now()
        print(f"{title}:", flush=True)
        await doing
        await asyncio.sleep(REST)
        failed, rows = self.record.failed(since)
        print(f"  {len(failed)} of {len(rows)} requests failed; it took {self.record.now() - since - REST:.1f} s", flush=True)
        if failed:
            self.record.show("of these", since)

    async def roll(self, binary):
        for node in self.pair.nodes:
            await self.pair.replace(node, binary)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--old", "--new", "--folder", "--postgres-programs"):
        parser.add_argument(option, required=True)
    arguments = parser.parse_args()
    sys.exit(0 if asyncio.run(Upgrade(arguments).carry_out()) else 1)


if __name__ == "__main__":
    main()

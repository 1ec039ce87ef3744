#!/usr/bin/env python3
"""Runs every command and every query of docs/runbooks against a deployment, and looks whether alerts can fire.

    deploy/runbooks.sh                       all pages
    deploy/runbooks.sh outbox-stuck          these pages

The deployment is a node in production mode on a PostgreSQL with the roles of deploy/roles.sql and a Redis of its own,
with accounts, sessions, a locked one, a parked message and a parked event. On a page:

- a block of `sql` says as whom it is run: `sql as=auth` (what nodes sign in as), `as=auth_owner`, or `as=postgres`;
- a block of `sh` is run as it stands, in an empty folder, with the settings of the node in the environment, and with
  `as=auth_backup` as another role of the database;
- a block of `promql`, and every alert, selects series that the node shows;
- in the text, what begins with `fashionistar-auth `, with a word of SQL, or names keys of Redis by the default prefix.

`not-run="why"` beside the language says that something is not run; REASONS below says it of what stands in the text.
Placeholders (OLD_ID, ID and the like) are replaced by what there is at that moment.
Ends with status 1 at the first thing that does not work.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import blocks
import series
from load import HASH, PASSWORD, Connection
from nodes import Servers, Service, free_port, make_ring, run
from stores import RedisProcesses

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "runbooks"
PASSWORDS = {"auth_owner": "of-the-owner-of-the-tables", "auth": "of-the-nodes-and-nobody-else",
             "auth_backup": "of-backups-and-nobody-else"}
REDIS_PASSWORD = "of-redis-and-nobody-else"
# What stands in the text and is not run, by its first word, and why.
REASONS = {
    "systemctl": "there is no systemd here",
    "timedatectl": "there is no systemd here",
    "chronyc": "there is no time service here",
    "docker": "there are no containers here",
    "kubectl": "there is no cluster here",
}
# Programs of others that are run, in a folder with an embedded database.
OTHERS = {"sqlite3", "df", "du", "ss", "ulimit"}
# What `doctor` finds, since it is made so.
PLANTED = {"mail", "webhooks"}
SQL = re.compile(r"(SELECT|UPDATE|DELETE|INSERT|CREATE|DROP|ALTER|PRAGMA)\b")


class Deployment:
    def __init__(self, arguments):
        self.folder, self.binary = Path(arguments.folder), arguments.binary
        self.servers = Servers(arguments.postgres_programs)
        self.redis = RedisProcesses(self.folder)
        self.redis_port = free_port()
        self.redis.launch("redis-server", self.redis_port, "maxmemory-policy noeviction")
        self.redis.ask(self.redis_port, "config", "set", "requirepass", REDIS_PASSWORD)
        self.database()
        (self.folder / "ring").mkdir(mode=0o700)
        ring = make_ring(self.binary, self.folder / "ring/keys.json")
        self.settings = {
            "MODE": "production",
            "HTTP__PUBLIC_URL": "https://auth.example.com",
            "HTTP__LISTEN": f"127.0.0.1:{free_port()}",
            "MANAGEMENT__LISTEN": f"127.0.0.1:{free_port()}",
            "HTTP__DRAIN_DELAY_SECONDS": 0,
            "DATABASE__URL": self.url("auth"),
            "REDIS__URL": f"redis://:{REDIS_PASSWORD}@127.0.0.1:{self.redis_port}",
            "KEYS__FILE": ring,
            "KEYS__RELOAD_SECONDS": 1,
            "KEYS__SETTLE_SECONDS": 2,
            # A mail server that is nowhere: messages wait.
            "MESSAGES__SENDER": "providers",
            "MESSAGES__EMAIL__PROVIDER": "smtp",
            "MESSAGES__SMS__PROVIDER": "none",
            "MESSAGES__SMTP__HOST": "mail.invalid",
            "MESSAGES__SMTP__FROM": "no-reply@example.com",
            "MESSAGES__RESET_PAGE_URL": "https://shop.example.com/reset",
            "MESSAGES__NOTICE_PAGE_URL": "https://shop.example.com/notice",
            # A receiver that is nowhere: what it does not take is parked at once.
            "EVENTS__SINKS": "webhook",
            "EVENTS__WEBHOOKS__SHOP__URL": "https://shop.invalid/hooks",
            "EVENTS__WEBHOOKS__SHOP__SECRETS": "whsec_" + "A" * 43 + "=",
            "EVENTS__MOST_ATTEMPTS": 1,
            "EVENTS__POLL_MILLISECONDS": 200,
            "PROTECTION__EXEMPT_NETWORKS": "",
        }
        self.node = Service(self.folder, self.binary, None, **self.settings)
        self.path = self.folder / "bin"
        self.path.mkdir()
        (self.path / "fashionistar-auth").symlink_to(self.binary)

    def database(self):
        for statement in [f"drop database if exists {DATABASE} with (force)", f"create database {DATABASE}",
                          "drop role if exists auth_owner", "drop role if exists auth", "drop role if exists auth_backup"]:
            self.servers.sql(statement)
        passwords = {"OWNER_PASSWORD": PASSWORDS["auth_owner"], "SERVICE_PASSWORD": PASSWORDS["auth"],
                     "BACKUP_PASSWORD": PASSWORDS["auth_backup"]}
        run(f"{self.servers.programs}/psql", self.url("postgres"), "-Xq", "--file", ROOT / "deploy/roles.sql",
            env=os.environ | passwords)
        self.command("migrate", "up", "--grant-to", "auth", DATABASE__URL=self.url("auth_owner"))

    def url(self, role):
        """The database as a role."""
        parts = urlsplit(self.servers.postgres)
        who = f"{role}:{PASSWORDS[role]}" if role in PASSWORDS else parts.username
        return urlunsplit(parts._replace(netloc=f"{who}@{parts.hostname}:{parts.port}", path=f"/{DATABASE}"))

    def environment(self, **more):
        settings = getattr(self, "settings", {}) | more
        own = {f"FASHIONISTAR_AUTH__{name}": str(value) for name, value in settings.items()}
        return {"PATH": f"{getattr(self, 'path', '')}:{self.servers.programs}:{os.environ['PATH']}", "HOME": str(self.folder)} | own

    def command(self, *arguments, **more):
        return run(self.binary, *arguments, env=self.environment(TELEMETRY__LOG="off", **more))

    # ---- what there is in it ----

    async def fill(self):
        people = self.folder / "people"
        lines = [{"id": it, "email": f"person-{it}@example.com", "is_verified": True, "is_active": True, "password": HASH,
                  "role": "client"} for it in range(1, 4)]
        people.write_text("\n".join(map(json.dumps, lines)) + "\n")
        self.command("users", "import", people)
        await self.use()
        # Somebody forgets the password, until there is a lock.
        for _ in range(7):
            self.refused = await self.sign_in(3, "umbrella-Canyon-13-violet")
        self.request_id = self.sql("postgres", "select request_id from audit_entries where action = 'session.sign_in' "
                                   "and request_id is not null and subject_id is not null order by occurred_at desc limit 1")
        self.account = self.sql("postgres", f"select subject_id from audit_entries where request_id = '{self.request_id}' "
                                "and subject_id is not null limit 1")

    async def use(self):
        """What people do all day, so that there are sessions, cached ones too, and series of it."""
        answer = await self.sign_in(1, PASSWORD)
        assert answer["data"]["tokens"], answer
        tokens = answer["data"]["tokens"]
        refreshed = await self.ask("POST", "/api/v1/auth/token/refresh", {"refresh_token": tokens["refresh_token"]})
        access = refreshed[2]["data"]["tokens"]["access_token"]
        assert (await self.ask("GET", "/api/v1/me", token=access))[0] == 200
        return access

    async def sign_in(self, number, password):
        body = {"identifier": f"person-{number}@example.com", "password": password}
        return (await self.ask("POST", "/api/v1/auth/login", body))[2]

    async def ask(self, *request, **options):
        return await Connection(self.node.public).ask(*request, **options)

    async def break_something(self):
        """A request that fails, for the series of failures."""
        self.sql("postgres", "revoke all on sign_in_failures from auth")
        status = (await self.ask("POST", "/api/v1/auth/login", {"identifier": "x@example.com", "password": PASSWORD}))[0]
        assert status >= 500, status
        self.sql("postgres", "grant select, insert, update, delete on sign_in_failures to auth")

    def park(self):
        """A message that a provider refused. Its events are parked by themselves."""
        self.sql("postgres", "update outbox_messages set parked_at = created_at, parked_reason = 'it answered 550' "
                 "where id = (select id from outbox_messages where parked_at is null limit 1)")

    async def metrics(self):
        return series.shown(await self.scrape())

    async def scrape(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.node.management)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.read()).decode()

    async def without_redis(self):
        """The series of the alert about Redis rises when Redis is away, so the alert fires."""

        async def unavailable():
            found = re.search(r'^auth_cache_lookups_total\{cache="sessions",outcome="unavailable"\} (\S+)$', await self.scrape(), re.M)
            return float(found[1])

        access, before = await self.use(), await unavailable()
        self.redis.kill(self.redis_port)
        deadline = time.monotonic() + 20
        while await unavailable() <= before:
            assert (await self.ask("GET", "/api/v1/me", token=access))[0] == 200
            if time.monotonic() > deadline:
                sys.exit("Redis is away, and the series that AuthCacheUnavailable selects does not rise")
            await asyncio.sleep(0.2)

    # ---- what is run in it ----

    def sql(self, role, text):
        return run(f"{self.servers.programs}/psql", self.url(role), "-XqtA", "-v", "ON_ERROR_STOP=1", "-c", text).strip()

    def shell(self, text, allowed, role="auth"):
        folder = self.folder / f"run-{time.monotonic_ns()}"
        folder.mkdir()
        if "sqlite3 " in text:
            run(self.binary, "migrate", "up", env={"FASHIONISTAR_AUTH__DATA_DIR": str(folder), "PATH": os.environ["PATH"]})
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=self.environment(DATABASE__URL=self.url(role)),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if "fashionistar-auth doctor" in text and set(re.findall(r"^FAIL +(\w+)", done.stdout, re.M)) == PLANTED:
            return None
        return None if done.returncode in allowed else f"status {done.returncode}\n{done.stdout}{done.stderr}"

    def filled_in(self, text, page):
        """The placeholders of a page replaced by what there is now."""
        replaced = {"'…'": f"'{self.request_id}'", "01936f4e-8e5c-7b1a-9c1d-0c6a3a1f2b3c": self.account}
        for word, found in replaced.items():
            text = text.replace(word, found)
        for section in re.findall(r"keys (?:retire|rotate) (\w+)", text):
            if re.search(rf"{section} (OLD_ID|OLD|ID)\b", text):
                ring = json.loads((self.folder / "ring/keys.json").read_text())
                # The one that the block itself makes previous, or that is so already.
                states = {it["state"]: it["id"] for it in ring[section]}
                wanted = states["current"] if "rotate" in text else states.get("previous", states.get("next"))
                text = re.sub(rf"({section} )(OLD_ID|OLD|ID)\b", lambda it: it[1] + str(wanted), text)
        if re.search(r"(messages|events) \w+ ID\b", text):
            parked = self.command("messages", "parked") if "messages" in text else self.command("events", "parked")
            found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", parked)
            assert found, f"{page}: nothing is parked: {parked}"
            text = re.sub(r"((?:messages|events) \w+ )ID\b", lambda it: it[1] + found[0], text)
        return text


class Run:
    def __init__(self, deployment):
        self.deployment, self.done, self.left = deployment, [], []

    def fault(self, code, what):
        sys.exit(f"{code.place}: {what}\n---- this is what was run\n{code.text}")

    async def page(self, path):
        text, name = path.read_text(), path.relative_to(ROOT).as_posix()
        # People come back after whatever the page before did.
        await self.deployment.use()
        self.deployment.park()
        for code in blocks.fenced(name, text):
            await self.block(code)
        shown = await self.deployment.metrics()
        for code in blocks.spans(name, text):
            if re.fullmatch(r"((auth|http_server|process|target)_\w+)(\{.*\}|(?<=_total)|(?<=_seconds))", code.text):
                # A histogram is spoken of by the name of its family.
                found = list(series.faults(code.text, shown))
                if found and list(series.faults(f"{code.text}_bucket", shown)):
                    self.fault(code, "; ".join(found))
                self.done.append(code.place)
            else:
                self.span(code)

    async def block(self, code):
        if "not-run" in code.notes:
            return self.left.append(f"{code.place}: {code.notes['not-run']}")
        if code.language in {"", "text", "json", "toml"}:
            if re.search(r"^(\$ )?(fashionistar-auth|psql|redis-cli|SELECT|UPDATE|DELETE)\b", code.text, re.M):
                self.fault(code, "a command or a query has to be in a block of its language")
            return None
        if code.language == "promql":
            found = list(series.faults(code.text, await self.deployment.metrics()))
        elif code.language == "sql":
            if code.notes.get("as") not in {"auth", "auth_owner", "postgres"}:
                self.fault(code, "a block of sql says as whom it is run: as=auth")
            found = self.query(code, code.notes["as"])
        elif code.language in {"sh", "bash"}:
            found = self.call(code, {0} | {int(it) for it in code.notes.get("status", "0").split(",")})
        else:
            found = [f"nobody knows how to run {code.language}"]
        if found:
            self.fault(code, "; ".join(found))
        self.done.append(code.place)

    def span(self, code):
        program = code.text.split(" ")[0]
        reason = REASONS.get(program) if " " in code.text else None
        if code.text.startswith("fa:v1:"):
            # Keys of Redis by the default prefix: there are such.
            pattern = code.text if "*" in code.text else code.text + "*"
            found = self.deployment.redis.ask(self.deployment.redis_port, "-a", REDIS_PASSWORD, "--no-auth-warning",
                                              "--scan", "--pattern", pattern)
            found = [] if found else ["Redis has no such key"]
        elif reason:
            return self.left.append(f"{code.place}: {reason}")
        elif code.text.startswith("fashionistar-auth ") or (program in OTHERS and " " in code.text):
            found = self.call(code, {0})
        elif SQL.match(code.text):
            if " " not in code.text:
                return None
            found = self.query(code, "auth")
        else:
            return None
        if found:
            self.fault(code, "; ".join(found))
        return self.done.append(code.place)

    def query(self, code, role):
        text = self.deployment.filled_in(code.text, code.page)
        done = subprocess.run([f"{self.deployment.servers.programs}/psql", self.deployment.url(role), "-Xq", "-v",
                               "ON_ERROR_STOP=1", "-c", text], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return [f"as {role}: {done.stderr.strip()}"] if done.returncode else []

    def call(self, code, allowed):
        found = self.deployment.shell(self.deployment.filled_in(code.text, code.page), allowed, code.notes.get("as", "auth"))
        return [found] if found else []

    async def alerts(self):
        shown = await self.deployment.metrics()
        text = (ROOT / "deploy/prometheus-alerts.yaml").read_text()
        rules = re.split(r"^ *- alert: ", text, flags=re.M)[1:]
        faults = []
        for rule in rules:
            name = rule.split("\n", 1)[0]
            expression = re.search(r"^ *expr: (\|\n(?:.*\n)*?|.*\n)(?= *(?:for|labels):)", rule, re.M)[1]
            faults += [f"{name}: {it}" for it in series.faults(expression, shown)]
            self.done.append(name)
        if faults:
            sys.exit("deploy/prometheus-alerts.yaml selects what the node does not show:\n" + "\n".join(faults))


async def carry_out(arguments):
    deployment = Deployment(arguments)
    await deployment.fill()
    await deployment.break_something()
    done = Run(deployment)
    await done.alerts()
    pages = sorted((ROOT / "docs/runbooks").glob("*.md"))
    if arguments.pages:
        pages = [it for it in pages if it.stem in arguments.pages]
    for page in pages:
        await done.page(page)
    await deployment.without_redis()
    deployment.node.stop()
    for statement in [f"drop database {DATABASE} with (force)", "drop role auth", "drop role auth_owner", "drop role auth_backup"]:
        deployment.servers.sql(statement)
    print(f"{len(done.done)} alerts, commands and queries of {len(pages)} runbooks work; not run:")
    print("\n".join(f"  {it}" for it in done.left) or "  none")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--postgres-programs", required=True)
    asyncio.run(carry_out(parser.parse_args()))


if __name__ == "__main__":
    main()

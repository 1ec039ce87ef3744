#!/usr/bin/env python3
"""Changes the master key and the index key under many accounts while people sign in, and shows that nothing is left.

    cargo build --release && deploy/key-rotation-run.py                      embedded, 100,000 accounts
    deploy/key-rotation-run.py --database postgres://user@host/database      an empty PostgreSQL database
    deploy/key-rotation-run.py --accounts 5000 --clients 4

It makes the accounts with `users import`, starts the release binary, lets the clients sign in, ask and refresh without
a pause, changes both keys with the commands an operator has, retires the old ones, dumps the database, and looks for
their ids and for data keys that the old ring opens by name. It ends with status 1 if a request failed or anything is
left. Needs Python's own library, and pg_dump for PostgreSQL.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "lilac-Harbour-42-zeppelin"
# An account may sign in twenty times a minute, and a client does so some twenty times a second.
PEOPLE_OF_A_CLIENT = 100


def say(text):
    print(f"{time.monotonic() - BEGAN:8.1f} s  {text}", flush=True)


class Service:
    def __init__(self, binary, folder, database):
        self.binary, self.folder = binary, folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "FASHIONISTAR_AUTH__DATA_DIR": str(folder),
            "FASHIONISTAR_AUTH__HTTP__LISTEN": "127.0.0.1:0",
            "FASHIONISTAR_AUTH__MANAGEMENT__LISTEN": "127.0.0.1:0",
            "FASHIONISTAR_AUTH__TELEMETRY__LOG_FORMAT": "json",
            "FASHIONISTAR_AUTH__KEYS__RELOAD_SECONDS": "1",
            "FASHIONISTAR_AUTH__KEYS__SETTLE_SECONDS": "5",
            "FASHIONISTAR_AUTH__PROTECTION__EXEMPT_NETWORKS": "127.0.0.1",
        }
        if database:
            self.environment["FASHIONISTAR_AUTH__DATABASE__URL"] = database
        self.process = None

    def run(self, *arguments, allowed=(0,)):
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode not in allowed:
            sys.exit(f"{' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done

    def start(self):
        """Starts it and waits until it is ready, as the lines say that it writes from now on."""
        log = self.folder / "service.log"
        before = log.stat().st_size if log.exists() else 0
        with open(log, "a", encoding="utf-8") as output:
            self.process = subprocess.Popen([self.binary], env=self.environment, stderr=output)
        while True:
            written = log.read_bytes()[before:].decode()
            ready = re.search(r'^.*"ready".*$\n', written, re.MULTILINE)
            if ready:
                self.address = re.search(r'"public": ?"([^"]+)"', ready.group()).group(1)
                return
            if self.process.poll() is not None:
                sys.exit(written)
            time.sleep(0.05)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=40)

    def call(self, method, path, body=None, token=None):
        request = urllib.request.Request(f"http://{self.address}{path}", method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            return json.load(answer)

    def ring(self):
        return json.loads((self.folder / "keys.json").read_text(encoding="utf-8"))

    def key(self, section, state):
        return next(key["id"] for key in self.ring()[section] if key["state"] == state)


class Client(threading.Thread):
    """Signs in, asks and refreshes without a pause, as one of its people after the other."""

    def __init__(self, service, number):
        super().__init__(daemon=True)
        self.service = service
        self.people = [f"client-{number}-{person}@example.com" for person in range(PEOPLE_OF_A_CLIENT)]
        self.enough = threading.Event()
        self.times, self.failures, self.requests = [], [], 0
        for email in self.people:
            self.register(email)

    def register(self, email):
        body = {"email": email, "password": PASSWORD}
        challenge = self.service.call("POST", "/api/v1/auth/register", body)["data"]["challenge_id"]
        code = None
        while not code:
            inbox = self.service.call("GET", f"/dev/mailbox?to={email}")["items"]
            code = inbox[0]["code"] if inbox else time.sleep(0.02)
        self.service.call("POST", "/api/v1/auth/verify-otp", {"challenge_id": challenge, "code": code})

    def run(self):
        for email in itertools.cycle(self.people):
            if self.enough.is_set():
                return
            began = time.monotonic()
            try:
                answer = self.service.call("POST", "/api/v1/auth/login", {"identifier": email, "password": PASSWORD})
                took = time.monotonic() - began
                tokens = answer["data"]["tokens"]
                self.service.call("GET", "/api/v1/me", token=tokens["access_token"])
                self.service.call("POST", "/api/v1/auth/token/refresh", {"refresh_token": tokens["refresh_token"]})
                self.requests += 3
                self.times.append((began, took))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure to report
                self.failures.append(f"{time.monotonic() - BEGAN:.1f} s: {error!r}")


def make_accounts(service, count):
    path = service.folder / "people.ndjson"
    with open(path, "w", encoding="utf-8") as people:
        for number in range(count):
            person = {
                "id": number + 1,
                "email": f"many-{number}@example.com",
                "is_verified": True,
                "is_active": True,
                "role": "client",
                "password": "!unusable",
            }
            people.write(json.dumps(person) + "\n")
    began = time.monotonic()
    done = service.run("users", "import", str(path), "--no-events", allowed=(0, 1))
    say(f"{count} accounts imported in {time.monotonic() - began:.1f} s: {done.stdout.strip().splitlines()[-1:]}")


def wait_until_promoted(service, section):
    """Takes the step as soon as nothing stands against it."""
    began, why = time.monotonic(), None
    while True:
        done = service.run("keys", "rotate", section, "--step", "promote", allowed=(0, 1))
        if done.returncode == 0:
            say(f"{done.stdout.strip()} (after {time.monotonic() - began:.1f} s)")
            return
        reasons = done.stderr.split("because:")[-1].split("with --force")[0].strip()
        if reasons != why:
            why = reasons
            say(f"{section} waits: {why}")
        time.sleep(1)


def wait_until_retired(service, section, key, force=()):
    why = None
    while True:
        done = service.run("keys", "retire", section, key, *force, allowed=(0, 1))
        if done.returncode == 0:
            say(f"{done.stdout.strip()} {done.stderr.strip()}")
            return
        reasons = done.stderr.split("because:")[-1].split("with --force")[0].strip()
        reasons = re.sub(r"\d+", "N", reasons)
        if reasons != why:
            why = reasons
            say(f"{section} {key} waits: {done.stderr.split('because:')[-1].split('with --force')[0].strip()}")
        time.sleep(1)


def dump(service, database):
    if not database:
        database = sqlite3.connect(service.folder / "fashionistar-auth.sqlite")
        return "\n".join(database.iterdump())
    tool = shutil.which("pg_dump") or next(
        map(str, sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), reverse=True)), None
    )
    if not tool:
        sys.exit("pg_dump is needed to look into PostgreSQL")
    return subprocess.run([tool, "--data-only", database], capture_output=True, text=True, check=True).stdout


def report(clients, began, ended, what):
    times = sorted(took for client in clients for at, took in client.times if began <= at < ended)
    if times:
        at = lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1000  # noqa: E731
        say(
            f"sign-ins {what}: {len(times)} ({len(times) / (ended - began):.1f}/s), "
            f"median {statistics.median(times) * 1000:.0f} ms, 99th percentile {at(0.99):.0f} ms"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--database", help="a PostgreSQL database; absent: embedded")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--binary", default=str(target / "release" / "fashionistar-auth"))
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="key-rotation-"))
    service = Service(options.binary, folder, options.database)
    # The service ends with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(go_through(service, options))
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)


def go_through(service, options):
    service.start()  # makes the ring, and brings the schema up to date
    make_accounts(service, options.accounts)
    clients = [Client(service, number) for number in range(options.clients)]
    for client in clients:
        client.start()
    quiet = time.monotonic()
    time.sleep(10)
    changing = time.monotonic()
    report(clients, quiet, changing, "before")

    old = {section: service.key(section, "current") for section in ("field_encryption", "blind_index")}
    for section in old:
        say(service.run("keys", "rotate", section, "--step", "next").stdout.strip())
    wait_until_promoted(service, "blind_index")
    wait_until_promoted(service, "field_encryption")
    wait_until_retired(service, "field_encryption", old["field_encryption"])
    rewrapped = time.monotonic()
    # In life a day is waited here, for what is counted for identifiers.
    wait_until_retired(service, "blind_index", old["blind_index"], force=("--force",))
    say(service.run("keys", "reencrypt").stdout.strip())
    report(clients, changing, rewrapped, "meanwhile")
    for client in clients:
        client.enough.set()
    for client in clients:
        client.join()
    say("\n" + service.run("keys", "list").stdout)

    service.stop()
    text = dump(service, options.database).lower()
    left = [key for key in old.values() if key in text or key.encode().hex() in text]
    for section, key in old.items():
        say(f"{section} {key} in a dump of {len(text):,} characters: {'FOUND' if key in left else 'nowhere'}")
    service.start()  # without the old keys
    service.call("POST", "/api/v1/auth/login", {"identifier": clients[0].people[0], "password": PASSWORD})
    failures = [failure for client in clients for failure in client.failures]
    requests = sum(client.requests for client in clients)
    say(f"{requests} requests of {len(clients)} clients, {len(failures)} failures")
    for failure in failures[:10]:
        say(failure)
    return 1 if failures or left else 0


BEGAN = time.monotonic()
if __name__ == "__main__":
    main()

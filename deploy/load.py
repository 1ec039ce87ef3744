"""People who use the service, over HTTP, and the record of what they were answered. Nothing but Python 3.11."""

import asyncio
import json
import time
from collections import Counter

PASSWORD = "lilac-Harbour-42-zeppelin"
# As Django made it of PASSWORD, with few iterations.
HASH = "pbkdf2_sha256$1000$seasalt$5DTSOPZpn9FKoskcei94dc77FfGOPLDjKdXWipTdaWI="
CLIENTS = 24
# Of one client between two requests: an account may send 600 a minute.
PACE = 0.11


class Connection:
    """HTTP/1.1 over one connection that is opened again when it breaks."""

    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def ask(self, method, path, body=None, token=None, patience=60):
        return await asyncio.wait_for(self._ask(method, path, body, token), patience)

    async def _ask(self, method, path, body, token):
        if self.writer is None or self.reader.at_eof():
            # What the other side closed between two requests is opened again, as every client does.
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(payload)}\r\n"
        head += "Content-Type: application/json\r\n" if payload else ""
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        try:
            self.writer.write(head.encode() + b"\r\n" + payload)
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            answer = await self.body(headers)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        try:
            return int(lines[0].split()[1]), headers, json.loads(answer) if answer else None
        except ValueError:
            # A page of the proxy.
            return int(lines[0].split()[1]), headers, None

    async def body(self, headers):
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(headers.get("content-length", 0)))
        whole = b""
        while size := int(await self.reader.readline(), 16):
            whole += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return whole

    def close(self):
        self.writer.close()
        self.writer = None


class Record:
    """When what was answered, with what, and how long it took."""

    def __init__(self):
        self.rows, self.began = [], time.monotonic()
        # People who were signed out though they did nothing for it.
        self.signed_out = Counter()

    def now(self):
        return time.monotonic() - self.began

    async def ask(self, what, connection, *request, **options):
        at = self.now()
        try:
            status, headers, body = await connection.ask(*request, **options)
        except Exception as error:  # Whatever it is, it is no answer.
            status, headers, body = type(error).__name__, {}, None
        code = body.get("code") if isinstance(body, dict) else None
        if status == 503 and "retry-after" not in headers:
            status = "503 without Retry-After"
        self.rows.append((at, self.now(), what, status))
        if status == 401:
            self.signed_out[f"{what}: {code}"] += 1
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

    def failed(self, since=0.0, until=None):
        """Those that were not answered as they should be, and all, that were sent in between."""
        until = self.now() if until is None else until
        rows = [row for row in self.rows if since <= row[0] < until]
        return [row for row in rows if not (isinstance(row[3], int) and row[3] < 300)], rows

    def errors(self, since, until):
        failed, rows = self.failed(since, until)
        return f"{len(failed)} of {len(rows)} ({100 * len(failed) / max(1, len(rows)):.2f} %)"

    def recovered(self, since):
        """When the last request that failed was sent, after `since`."""
        return max((row[0] for row in self.failed(since)[0]), default=since) - since


class Person:
    """Somebody who uses the service at this port, which is its own or a proxy's. `mailboxes` are ports of its nodes."""

    def __init__(self, port, number, mailboxes=None):
        self.connection, self.email = Connection(port), f"person-{number}@example.com"
        self.mailboxes = [Connection(it) for it in mailboxes or [port]]
        self.confirmed = self.sent = 0

    async def register(self):
        body = {"email": self.email, "password": PASSWORD}
        status, _, answer = await self.connection.ask("POST", "/api/v1/auth/register", body)
        assert status == 202, answer
        code = await self.code()
        body = {"challenge_id": answer["data"]["challenge_id"], "code": code}
        status, _, answer = await self.connection.ask("POST", "/api/v1/auth/verify-otp", body)
        assert status == 201, answer
        self.keep(answer)

    async def code(self):
        """What was mailed; whichever node sent it has it in its mailbox."""
        while True:
            for mailbox in self.mailboxes:
                items = (await mailbox.ask("GET", f"/dev/mailbox?to={self.email}"))[2]["items"]
                if items:
                    return items[0]["code"]
            await asyncio.sleep(0.05)

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
            if status == 401:
                # It ended the session: in again, so that the load goes on. The record has counted it.
                return await self.sign_in(record, stop)
            await asyncio.sleep(PACE)

    async def promises_were_kept(self, record):
        self.connection = Connection(self.connection.port)
        never = asyncio.Event()
        await self.sign_in(record, never)
        status, _, answer = await self.connection.ask("GET", "/api/v1/me", token=self.tokens["access_token"])
        number = int((answer["data"]["profile"]["first_name"] or "Person 0").split()[1])
        return status == 200 and self.confirmed <= number <= self.sent


async def people(port, mailboxes=None, count=CLIENTS):
    everybody = [Person(port, number, mailboxes) for number in range(count)]
    for person in everybody:
        await person.register()
    return everybody

"""A mail server for tests: keeps what it gets, and misbehaves when it is told to.

Arguments: the kind of TLS (none, starttls, tls), a folder for certificates, and if sign-in is asked for a user
and a password. Says on standard output, one JSON object a line, on which port it serves and what it got. Takes
orders on standard input, one a line: how to treat the next mail, or `release` for those that hang. Ends when
standard input does.
"""

import asyncio
import json
import os
import ssl
import sys
import threading

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def say(**what):
    print(json.dumps(what), flush=True)


class Handler:
    def __init__(self):
        self.orders = []
        self.released = asyncio.Event()

    def order(self, line):
        if line == "release":
            self.released.set()
        else:
            self.orders.append(line)
        say(event="ordered")

    def next_order(self, *kinds):
        if self.orders and self.orders[0].split()[0] in kinds:
            return self.orders.pop(0)
        return None

    async def handle_MAIL(self, server, session, envelope, address, options):
        order = self.next_order("mail")
        if order:
            say(event="refused")
            return order.split()[1] + " as it was told"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        order = self.next_order("rcpt", "hang-early", "drop-early")
        if order == "hang-early":
            say(event="hangs")
            await self.released.wait()
        elif order == "drop-early":
            server.transport.abort()
        elif order:
            say(event="refused")
            return order.split()[1] + " as it was told"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        order = self.next_order("data", "hang", "drop")
        if order and order.startswith("data"):
            say(event="refused")
            return order.split()[1] + " as it was told"
        say(
            event="mail",
            hello=session.host_name,
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            encrypted=session.ssl is not None or kind == "tls",
            user=getattr(session, "auth_data", None),
            text=envelope.content.decode("utf-8"),
        )
        if order == "hang":
            await self.released.wait()
        elif order == "drop":
            server.transport.abort()
        return "250 OK"


class Server(SMTP):
    async def _handle_client(self):
        """The greeting, or what is said in its place."""
        order = self.event_handler.next_order("connect")
        if order is None:
            return await super()._handle_client()
        say(event="refused")
        await self.push(order.split()[1] + " as it was told")
        self.transport.close()


def certificates(folder):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(os.path.join(folder, "ca.pem"))
    trustme.CA().cert_pem.write_to_path(os.path.join(folder, "other-ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def main(kind, folder, user=None, password=None):
    loop = asyncio.get_running_loop()
    context = certificates(folder)
    handler = Handler()
    ended = asyncio.Event()

    def authenticate(server, session, envelope, mechanism, data):
        is_right = isinstance(data, LoginPassword) and data == LoginPassword(user.encode(), password.encode())
        return AuthResult(success=is_right, handled=False, auth_data=user)

    def protocol():
        return Server(
            handler,
            hostname="mail.test",
            tls_context=context if kind == "starttls" else None,
            require_starttls=kind == "starttls",
            auth_required=user is not None,
            # The library knows of TLS only what it did itself.
            auth_require_tls=kind == "starttls",
            authenticator=authenticate if user else None,
        )

    server = await loop.create_server(
        protocol, "127.0.0.1", 0, ssl=context if kind == "tls" else None
    )

    def take_orders():
        for line in sys.stdin:
            loop.call_soon_threadsafe(handler.order, line.strip())
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=take_orders, daemon=True).start()
    say(event="ready", port=server.sockets[0].getsockname()[1])
    await ended.wait()


kind = sys.argv[1]
asyncio.run(main(*sys.argv[1:]))

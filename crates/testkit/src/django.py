"""Makes password hashes with Django's own hashers: a list of orders in, a list of hashes out, as JSON."""

import json
import sys

from django.conf import settings

NAMES = (
    "PBKDF2PasswordHasher",
    "PBKDF2SHA1PasswordHasher",
    "BCryptSHA256PasswordHasher",
    "BCryptPasswordHasher",
    "Argon2PasswordHasher",
    "ScryptPasswordHasher",
)
settings.configure(PASSWORD_HASHERS=["django.contrib.auth.hashers." + name for name in NAMES])

import argon2  # noqa: E402
import bcrypt  # noqa: E402
from django.contrib.auth.hashers import get_hasher, make_password, verify_password  # noqa: E402


def earlier_argon2(password, salt, *, named):
    """As Django made it with argon2i, before and after the format had a version."""
    kind = argon2.low_level.Type.I
    version = 0x13 if named else 0x10
    made = argon2.low_level.hash_secret(
        password.encode(),
        salt.encode(),
        time_cost=2,
        memory_cost=512,
        parallelism=2,
        hash_len=16,
        type=kind,
        version=version,
    ).decode("ascii")
    return "argon2" + (made if named else made.replace("$v=16", ""))


def make(order):
    name, password = order["hasher"], order["password"]
    if name == "unusable":
        return make_password(None)
    if name in ("argon2i", "argon2_unversioned"):
        salt = order.get("salt") or get_hasher("argon2").salt()
        return earlier_argon2(password, salt, named=name == "argon2i")
    hasher = get_hasher(name)
    salt = order.get("salt") or hasher.salt()
    if name.startswith("bcrypt"):
        if order["cheap"]:
            salt = bcrypt.gensalt(4)
        if name == "bcrypt":
            # The library cut passwords after 72 bytes itself until its version 5, which refuses them.
            raw = password.encode()[:72]
            return "bcrypt$" + bcrypt.hashpw(raw, salt).decode("ascii")
    if order["cheap"]:
        if name.startswith("pbkdf2"):
            return hasher.encode(password, salt, iterations=1000)
        if name == "scrypt":
            return hasher.encode(password, salt, n=16, r=8, p=1)
        if name == "argon2":
            hasher.memory_cost = 64
    made = hasher.encode(password, salt)
    assert verify_password(password, made)[0], name
    return made


print(json.dumps([make(order) for order in json.load(sys.stdin)]))

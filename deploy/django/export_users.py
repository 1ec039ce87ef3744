"""Writes Django's users for `fashionistar-auth users import`: one JSON object a line.

Copy this file to management/commands/ of an app of the Django project, adapt what is marked, and run

    python manage.py export_users users.ndjson
"""

import json
import os

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


def told_of(user):
    """What is told of one user. Absent fields and null are the same."""
    email = user.email or None
    phone = str(getattr(user, "phone", None) or "") or None
    return {
        "id": str(user.pk),
        "email": email,
        "phone": phone,
        # Adapt: which of them signs in, if a user has both.
        "identifier": "email" if email else "phone",
        "password": user.password,
        # Adapt: client, vendor, support, reviewer, assistant, editor, sales or admin.
        "role": getattr(user, "role", None),
        # Adapt: what says that mail or messages reach the person. Never a mere True.
        "is_verified": getattr(user, "is_verified", False),
        "is_active": user.is_active,
        "is_staff": user.is_staff,
        "is_superuser": user.is_superuser,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "country": str(getattr(user, "country", None) or "") or None,
        "language": getattr(user, "language", None),
        "date_joined": user.date_joined.isoformat(),
        "last_login": user.last_login.isoformat() if user.last_login else None,
        # Adapt: the balance in minor units, as a whole number, and its currency; or leave both out.
    }


class Command(BaseCommand):
    help = "Writes every user as a line of JSON."

    def add_arguments(self, parser):
        parser.add_argument("file")

    def handle(self, *args, file, **options):
        users = get_user_model()._default_manager.order_by("pk")
        # For its owner only: it holds addresses and password hashes.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as lines:
            for user in users.iterator(chunk_size=2000):
                lines.write(json.dumps(told_of(user), ensure_ascii=False) + "\n")

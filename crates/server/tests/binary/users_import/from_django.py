"""A Django project with a few users, and its own command that writes them: FOLDER COMMAND_FILE."""

import pathlib
import shutil
import sys

import django
from django.conf import settings
from django.core.management import call_command

MODELS = """
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    phone = models.CharField(max_length=20, blank=True)
    role = models.CharField(max_length=20, default="client")
    is_verified = models.BooleanField(default=False)
    country = models.CharField(max_length=2, blank=True)
"""

root = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(root))
commands = root / "shop" / "management" / "commands"
commands.mkdir(parents=True)
for folder in (root / "shop", root / "shop" / "management", commands):
    (folder / "__init__.py").touch()
(root / "shop" / "models.py").write_text(MODELS)
shutil.copy(sys.argv[2], commands)

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": root / "django.sqlite"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "shop"],
    AUTH_USER_MODEL="shop.User",
    USE_TZ=True,
)
django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)

from shop.models import User  # noqa: E402

password = sys.argv[3]
new = User.objects.create_user
new("ada", "Ada@Example.com", password, role="vendor", is_verified=True, first_name="Ada", country="NG")
new("kofi", "", password, phone="+233201234567", is_verified=True)
new("mallory", "mallory@example.com", password)
User.objects.create_superuser("root", "root@example.com", password, is_verified=True)
call_command("export_users", str(root / "users.ndjson"))

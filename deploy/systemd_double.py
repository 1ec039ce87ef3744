#!/usr/bin/env python3
"""What a first start needs of systemd, where there is none: stands for systemctl and systemd-run by the name it has.

Reads the unit from /etc/systemd/system as systemd does: User, Group, EnvironmentFile, StateDirectory, ExecStart,
Restart, RestartSec, RestartPreventExitStatus and the limit of starts. Its notes are in the folder DOUBLE_DIR.
It knows no sandboxing: `systemd-analyze verify` and `security` look at that. Started by first-start.sh.
"""

import os
import pwd
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

NOTES = Path(os.environ["DOUBLE_DIR"])
UNITS = Path("/etc/systemd/system")


def unit(name):
    text = (UNITS / f"{name.removesuffix('.service')}.service").read_text()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.M))


def variables(file):
    """An EnvironmentFile: lines NAME=value."""
    pairs = re.findall(r"^([A-Za-z_]\w*)=(.*)$", Path(file).read_text(), re.M)
    return {name: value.strip().strip('"') for name, value in pairs}


def seconds(span):
    units = {"ms": 0.001, "s": 1, "": 1, "min": 60, "h": 3600}
    return sum(float(number) * units[name] for number, name in re.findall(r"([\d.]+) ?(ms|min|s|h|)", span) if number)


def spawn(command, settings, **options):
    """As the user of the unit, with nothing in the environment but what systemd gives."""
    who = pwd.getpwnam(settings["User"])
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "USER": who.pw_name, "HOME": who.pw_dir}
    environment |= variables(settings["EnvironmentFile"])
    if "StateDirectory" in settings:
        state = Path("/var/lib") / settings["StateDirectory"]
        state.mkdir(mode=int(settings.get("StateDirectoryMode", "0755"), 8), exist_ok=True)
        os.chown(state, who.pw_uid, who.pw_gid)
    return subprocess.Popen(command, env=environment, user=who.pw_uid, group=who.pw_gid, extra_groups=[], cwd="/",
                            umask=int(settings.get("UMask", "0022"), 8), stdin=subprocess.DEVNULL, **options)


def supervise(name):
    """One unit until it is stopped, by the rules of Restart and StartLimit."""
    settings = unit(name)
    # As if it had been started so often already, for a test that has not got the minutes.
    starts = [time.monotonic()] * int(os.environ.get("DOUBLE_STARTS", "0"))
    interval, burst = seconds(settings.get("StartLimitIntervalSec", "10s")), int(settings.get("StartLimitBurst", "5"))
    child, stopping = None, False

    def stop(*_):
        nonlocal stopping
        stopping = True
        if child:
            child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    with (NOTES / f"{name}.log").open("ab", buffering=0) as log:
        while not stopping:
            now = time.monotonic()
            starts = [it for it in starts if now - it < interval] + [now]
            if interval and len(starts) > burst:
                log.write(b"start request repeated too quickly\n")
                return
            child = spawn(settings["ExecStart"].split(" "), settings, stdout=log, stderr=log)
            status = child.wait()
            log.write(f"the main process ended with {status}\n".encode())
            is_wanted = settings.get("Restart") == "on-failure" and status != 0
            if stopping or not is_wanted or str(status) in settings.get("RestartPreventExitStatus", "").split():
                return
            time.sleep(seconds(settings.get("RestartSec", "100ms")))


def is_running(number, send):
    """Sends a signal to a process, and says whether it is still there to take one."""
    try:
        os.kill(number, send)
        return Path(f"/proc/{number}/stat").read_text().split(") ")[1][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def systemctl(arguments):
    words = [it for it in arguments if not it.startswith("-")]
    if words[0] == "daemon-reload":
        return 0
    action, name = words[0], words[1].removesuffix(".service")
    pid = NOTES / f"{name}.pid"
    if action == "enable" and "--now" not in arguments:
        return 0
    if action in {"stop", "restart"} and pid.exists():
        number = int(pid.read_text())
        pid.unlink()
        still = is_running(number, signal.SIGTERM)
        while still:
            time.sleep(0.05)
            still = is_running(number, 0)
    if action in {"enable", "start", "restart"}:
        if not (UNITS / f"{name}.service").exists():
            # A unit of the distribution: whoever runs this says what that is.
            return subprocess.call([os.environ["DOUBLE_HOOK"], action, name])
        # By its own name, which is not that of the link.
        with (NOTES / "supervisor.log").open("ab") as log:
            running = subprocess.Popen([sys.executable, Path(__file__).resolve(), "supervise", name],
                                       start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        pid.write_text(str(running.pid))
    return 0


def systemd_run(arguments):
    """`systemd-run --pipe --wait … -p User=… -p EnvironmentFile=… COMMAND`"""
    settings, rest = {}, list(arguments)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in {"-p", "--property"}:
            name, _, value = rest.pop(0).partition("=")
            settings[name] = value
        elif option.startswith("--uid="):
            settings["User"] = option.partition("=")[2]
        elif option not in {"--pty", "--pipe", "--wait", "--collect", "--quiet"}:
            sys.exit(f"systemd-run: nobody knows {option} here")
    return spawn(rest, settings).wait()


def main():
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if name == "systemctl":
        sys.exit(systemctl(arguments))
    if name == "systemd-run":
        sys.exit(systemd_run(arguments))
    supervise(arguments[1])


if __name__ == "__main__":
    main()

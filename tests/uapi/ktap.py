# SPDX-License-Identifier: GPL-2.0-only
"""KTAP output and checks for the tests of this directory.

    @point("what can fail by itself")
    def _():
        equal("peers", 1, len(...))

    run("what this file is about")

A point fails when a check in it failed or an exception left it; the others
are run all the same. Environment: ADIT_DRIVER ("adit" or "in-kernel", the
driver that must be under test), ADIT_SLOW (a factor on every time limit).
"""

import os
import sys
import time
import traceback

POINTS = []
SLOW = float(os.environ.get("ADIT_SLOW", "1"))
RELEASE = os.uname().release
KERNEL = tuple(int(n) for n in RELEASE.split("-")[0].split(".")[:2])


def _read(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return ""


# Adit carries another version string than the driver of the kernel tree.
VERSION = _read("/sys/module/wireguard/version")
ADIT = VERSION not in ("", "1.0.0")


class Skip(Exception):
    pass


class _State:
    title = ""
    step = ""
    bad = 0


def say(message):
    for line in str(message).splitlines():
        print("#", line)


def point(title):
    def register(function):
        POINTS.append((title, function))
        return function
    return register


def step(message):
    _State.step = message


def fail(expected, got):
    _State.bad += 1
    say(f"FAILED: point \"{_State.title}\"")
    say(f"  step:     {_State.step}")
    say(f"  expected: {expected}")
    say(f"  got:      {got}")


def _short(v):
    s = v.hex() if isinstance(v, (bytes, bytearray)) else repr(v)
    return s if len(s) <= 400 else s[:400] + "..."


def equal(what, expected, got):
    step(what)
    if expected != got:
        fail(_short(expected), _short(got))
    return expected == got


def true(what, condition, got=""):
    step(what)
    if not condition:
        fail("yes", got or "no")
    return condition


def ok(what, answer):
    """An answer of success."""
    step(what)
    if answer.error:
        fail("success", f"{answer.name} {answer.text}")
    return answer


def need(what, answer):
    """The same; the point ends if it is not."""
    if answer.error:
        step(what)
        raise OSError(answer.error, f"{what}: {answer.name} {answer.text}")
    return answer


def skip(reason):
    raise Skip(reason)


def wait(what, condition, seconds=10):
    """Until the condition holds, or the point fails."""
    end = time.monotonic() + seconds * SLOW
    while True:
        if condition():
            return True
        if time.monotonic() > end:
            return true(f"{what}, within {seconds * SLOW:g} s", False)
        time.sleep(0.02)


class within:
    """with within("what", 20): fails if its body takes longer (seconds)."""

    def __init__(self, what, seconds):
        self.what, self.seconds = what, seconds * SLOW

    def __enter__(self):
        self.began = time.monotonic()
        return self

    def __exit__(self, *_):
        took = time.monotonic() - self.began
        say(f"{self.what}: {took:.2f} s")
        true(f"{self.what}, within {self.seconds:g} s",
             took <= self.seconds, f"{took:.2f} s")


def skip_all(reason):
    print("KTAP version 1")
    print(f"1..0 # SKIP {reason}")
    sys.exit(4)


def run(title):
    name = os.path.basename(sys.argv[0])
    sys.stdout.reconfigure(line_buffering=True)
    if os.geteuid():
        skip_all("needs root")
    if not os.path.isdir("/sys/module/wireguard"):
        os.system("modprobe -q wireguard")
    if not os.path.isdir("/sys/module/wireguard"):
        skip_all("no wireguard module is loaded and none can be")
    print("KTAP version 1")
    print(f"1..{len(POINTS)}")
    say(f"{name}: {title}")
    say(f"driver: {'adit' if ADIT else 'in-kernel'} {VERSION}, "
        f"kernel {RELEASE}")
    wanted = os.environ.get("ADIT_DRIVER", "")
    wrong = wanted and (wanted == "adit") != ADIT
    if wrong:
        say(f"the driver {wanted} is to be tested, and another is loaded")
    failed = 0
    only = sys.argv[1:]
    for n, (what, function) in enumerate(POINTS, 1):
        _State.title = _State.step = what
        _State.bad = 0
        reason = ""
        began = time.monotonic()
        try:
            if wrong:
                raise RuntimeError("the wrong driver")
            if only and str(n) not in only:
                skip("not asked for")
            function()
        except Skip as s:
            reason = f" # SKIP {s}"
        except Exception as e:
            fail("the point goes on to its end", repr(e))
            say(traceback.format_exc())
        took = time.monotonic() - began
        if took > 2:
            say(f"took {took:.1f} s")
        failed += bool(_State.bad)
        print(f"{'not ok' if _State.bad else 'ok'} {n} {what}"
              f"{'' if _State.bad else reason}")
    sys.exit(1 if failed else 0)

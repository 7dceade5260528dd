# SPDX-License-Identifier: GPL-2.0-only
"""What tests/bench/run is to find: ratios, Adit to the kernel's own driver.

A row: where in the results, which, target, stretch. Less is better, but of what
is named in MORE.
"""

TARGETS = [
    ("work", "tcp", .60, .50),
    ("work", "tcp/wire", .60, .50),
    ("work", "rr", .60, .52),
    ("work", "rr/wire", .60, .52),
    ("work", "udp64", .60, .50),
    ("work", "udp64/wire", .60, .50),
    ("work", "forward", .65, .50),
    ("work", "forward/wire", .65, .50),
    ("work", "forward-nogso/wire", .65, .50),
    ("work", "reverse", .65, .50),
    ("work", "reverse/wire", .65, .50),
    ("work", "hub", .65, .50),
    ("work", "hub/wire", .65, .50),
    ("parallel", "tcp", .60, .40),
    ("parallel", "tcp/wire", .60, .40),
    ("pair", "tcp", .60, .50),
    ("pair", "rr", .60, .52),
    ("pair", "udp64", .60, .50),
    ("pair", "forward", .65, .50),
    ("scale", "20000 setconf", .20, .10),
    ("scale", "20000 new-key", .05, .01),
    ("scale", "20000 dump", .70, .50),
    ("scale", "20000 memory", .60, .40),
    ("wall", "tcp, Mbit/s", 1.5, 2.5),
    ("wall", "loaded, p99, us", .50, .25),
    ("wall", "loaded, delivered, %", 1.0, 1.0),
    ("wall", "flooded, delivered, %", 1.0, 1.0),
    ("wall", "flooded, kept by Adit", .80, .95),
]
MORE = {"tcp, Mbit/s", "loaded, delivered, %", "flooded, delivered, %",
        "flooded, kept by Adit"}
NAMES = {"work": "one CPU", "parallel": "busiest of four CPUs", "pair": "two guests",
         "scale": "many peers", "wall": "by the clock"}


def reached(name, ratio, limit):
    return ratio >= limit if name in MORE else ratio <= limit


def rows(found):
    """(where, which, ratio, target, stretch, verdict) for what was measured."""
    for where, name, target, stretch in TARGETS:
        ratio = found.get(where, {}).get(name, {}).get("ratio")
        if ratio is None:
            continue
        yield (NAMES[where], name, ratio, target, stretch,
               "stretch" if reached(name, ratio, stretch) else
               "met" if reached(name, ratio, target) else "missed")


def show(found, everything=False):
    """The table of targets and results; of everything, also what is missing."""
    if not list(rows(found)) and not everything:
        return
    print("\n%-22s %-22s %7s %7s %8s" % (
        "targets", "", "ratio", "target", "stretch"))
    for row in rows(found):
        print("%-22s %-22s %7.3f %7.2f %8.2f  %s" % row)
    for where, name, target, stretch in TARGETS if everything else []:
        if found.get(where, {}).get(name, {}).get("ratio") is None:
            print("%-22s %-22s %7s %7.2f %8.2f  not measured" % (
                NAMES[where], name, "", target, stretch))

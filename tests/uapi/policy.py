#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# docs/netlink/wireguard.yaml says what the driver's policies are, as the
# kernel itself tells them. Wants --with docs/netlink in a guest.

import sys
sys.dont_write_bytecode = True
import spec
from genl import *
from ktap import *

HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
FILE = f"{HERE}/../../docs/netlink/wireguard.yaml"
CTRL = {"FAMILY_ID": 1, "FAMILY_NAME": 2, "VERSION": 3, "MAXATTR": 5,
        "OPS": 6, "POLICY": 8, "OP_POLICY": 9}
# enum netlink_attribute_type and netlink_policy_type_attr
TYPES = {"u8": 2, "u16": 3, "u32": 4, "u64": 5, "binary": 10, "string": 12,
         "indexed-array": 14, "flag": 1}
(P_TYPE, P_MIN_S, P_MAX_S, P_MIN, P_MAX, P_MIN_LEN, P_MAX_LEN, P_IDX, P_MAXTYPE,
 P_BITFIELD, P_PAD, P_MASK) = range(1, 13)
CAP_DO, CAP_DUMP, CAP_HASPOL, UNS_ADMIN_PERM = 2, 4, 8, 0x10

unshare(CLONE_NEWNET)
if not os.path.exists(FILE):
    skip_all("docs/netlink is not here (tests/vm/run --with docs/netlink)")
with open(FILE) as f:
    TEXT = f.read()
Y = spec.load(TEXT)
g = Genl()


def policies():
    """{index: {attribute: {what: number}}}, {command: {do 1, dump 2: index}}"""
    a = need("GETPOLICY", g.ask(GENL_ID_CTRL, NLM_F_DUMP, genl(
        CTRL_CMD_GETPOLICY, text(CTRL["FAMILY_NAME"], "wireguard"))))
    tables, ops = {}, {}
    for kind, _, payload in a.messages:
        if kind == NLMSG_DONE:
            continue
        for what, _, data in parse(payload[4:]):
            for index, _, inner in parse(data) if what in (
                    CTRL["POLICY"], CTRL["OP_POLICY"]) else ():
                if what == CTRL["OP_POLICY"]:
                    ops.setdefault(index, {}).update(
                        {k: number(v) for k, v in one(inner).items()})
                    continue
                for at, _, limits in parse(inner):
                    tables.setdefault(index, {}).setdefault(at, {}).update(
                        {k: number(v) for k, v in one(limits).items()})
    return tables, ops


def named(items, name):
    return next(i for i in items if i["name"] == name)


def value(word):
    if isinstance(word, int):
        return word
    return named(Y["definitions"], word)["value"]


def numbered(attributes):
    """{number: attribute}, as YNL counts them."""
    out, n = {}, 0
    for a in attributes:
        n = a.get("value", n)
        if a["type"] != "unused":
            out[n] = a
        n += 1
    return out


def by_hand(attribute):
    """Before 7.x the driver itself checks the flags of devices and peers."""
    return KERNEL < (7, 0) and attribute.get("enum") in ("wgdevice-flag",
                                                         "wgpeer-flag")


def expected(attribute):
    """What the kernel should tell of an attribute; sub-policies apart."""
    kind = attribute["type"]
    checks = attribute.get("checks", {})
    out = {P_TYPE: TYPES[kind]}
    if kind in ("u8", "u16", "u32", "u64"):
        if "enum" in attribute and not by_hand(attribute):
            flags = named(Y["definitions"], attribute["enum"])
            out[P_MASK] = (1 << len(flags["entries"])) - 1
        else:
            out[P_MIN], out[P_MAX] = 0, (1 << int(kind[1:])) - 1
    if "exact-len" in checks:
        out[P_MIN_LEN] = out[P_MAX_LEN] = value(checks["exact-len"])
    if "max-len" in checks:
        out[P_MAX_LEN] = value(checks["max-len"])
    # min-len alone is not told; a point below tries it
    return out


def compare(what, tables, index, set_name, only=None):
    """Policy index is attribute set set_name, or those of it in only."""
    want = numbered(named(Y["attribute-sets"], set_name)["attributes"])
    if only is not None:
        want = {n: a for n, a in want.items() if a["name"] in only}
    have = tables.get(index, {})
    equal(f"{what}: attributes", sorted(want), sorted(have))
    for n, a in want.items():
        got = dict(have.get(n, {}))
        sub, last = got.pop(P_IDX, None), got.pop(P_MAXTYPE, None)
        equal(f"{what}: {a['name']}", expected(a), got)
        if "nested-attributes" in a:
            inner = a["nested-attributes"]
            compare(f"{what}, {a['name']}", tables, sub, inner)
            equal(f"{what}: {a['name']}: highest attribute", max(numbered(
                named(Y["attribute-sets"], inner)["attributes"])), last)


def plain(node):
    """Without documentation, which line breaks may differ in."""
    if isinstance(node, dict):
        return {k: plain(v) for k, v in node.items() if k != "doc"}
    if isinstance(node, list):
        return [plain(v) for v in node]
    return node


@point("spec.py reads the file as a YAML library does")
def _():
    try:
        import yaml
    except ImportError:
        skip("no YAML library here")
    equal("the file", plain(yaml.safe_load(TEXT)), plain(Y))


@point("everything is documented")
def _():
    def walk(node, path):
        if isinstance(node, list):
            for i in node:
                walk(i, path)
        elif isinstance(node, dict):
            here = f"{path}/{node.get('name', '')}"
            if "name" in node and node.get("type") not in ("unused", "flags"):
                true(f"{here} has a doc", node.get("doc"))
            for v in node.values():
                walk(v, here)
    walk(Y, "")


@point("the numbers are those of linux/wireguard.h")
def _():
    for set_name, names in (("wgdevice", DEV), ("wgpeer", PEER),
                            ("wgallowedip", AIP)):
        short = {"KEEPALIVE": "PERSISTENT_KEEPALIVE_INTERVAL",
                 "LAST_HANDSHAKE": "LAST_HANDSHAKE_TIME"}
        equal(set_name, {n: v for n, v in (
            (short.get(k, k), v) for k, v in vars(names).items()
            if not k.startswith("_"))},
            {a["name"].upper().replace("-", "_"): n for n, a in numbered(
                named(Y["attribute-sets"], set_name)["attributes"]).items()})
    equal("commands", {"get-device": GET_DEVICE, "set-device": SET_DEVICE},
          {o["name"]: o["value"] for o in Y["operations"]["list"]})


@point("the family and its commands: version, ways of asking, rights")
def _():
    a = one(need("GETFAMILY", g.ask(GENL_ID_CTRL, 0, genl(
        CTRL_CMD_GETFAMILY, text(2, "wireguard")))).messages[0][2][4:])
    equal("version", 1, number(a[CTRL["VERSION"]]))
    have = {}
    for _, _, data in parse(a[CTRL["OPS"]]):
        op = one(data)
        have[number(op[1])] = number(op[2])
    want = {}
    for o in Y["operations"]["list"]:
        want[o["value"]] = CAP_HASPOL | (CAP_DO if "do" in o else 0) | (
            CAP_DUMP if "dump" in o else 0) | (
            UNS_ADMIN_PERM if "uns-admin-perm" in o["flags"] else 0)
    equal("flags of commands", want, have)


@point("the policies of each command, all levels")
def _():
    if not ADIT:
        skip("the file is of what Adit accepts")
    tables, ops = policies()
    equal("commands", sorted(o["value"] for o in Y["operations"]["list"]),
          sorted(ops))
    for o in Y["operations"]["list"]:
        for way, n in (("do", 1), ("dump", 2)):
            if way not in o:
                true(f"{o['name']}: no {way}", n not in ops[o["value"]])
                continue
            compare(f"{o['name']}, {way}", tables, ops[o["value"]].get(n),
                    o["attribute-set"],
                    o[way]["request"]["attributes"])


@point("the least lengths, which the kernel does not tell")
def _():
    rt = Route()
    need("wg0", rt.add("wg0"))
    n = 0
    for s in Y["attribute-sets"]:
        for kind, a in numbered(s["attributes"]).items():
            least = a.get("checks", {}).get("min-len")
            if least is None:
                continue
            n += 1
            for size, error in (least - 1, True), (least, False):
                item = attr(kind, bytes(size))
                if s["name"] == "wgpeer":
                    item = peers(peer(key(1), item))
                elif s["name"] == "wgallowedip":
                    item = peers(peer(key(1), nest(PEER.ALLOWEDIPS, nest(
                        0, u16(AIP.FAMILY, 2), u8(AIP.CIDR_MASK, 0), item))))
                equal(f"{a['name']} of {size} bytes",
                      "ERANGE" if error else "0", g.set(item).name)
    equal("attributes that have one", 2, n)
    rt.delete("wg0")


run("docs/netlink/wireguard.yaml against the policies of the driver")

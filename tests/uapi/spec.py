# SPDX-License-Identifier: GPL-2.0-only
"""Reads docs/netlink/wireguard.yaml. A YAML library is not on every machine, so
this knows the part of YAML that the file is kept to: mappings and lists in
blocks, "-" on a line of its own or before a word, [flow, lists], folded text.
"""


def _scalar(word):
    word = word.strip()
    if word.startswith("[") and word.endswith("]"):
        return [_scalar(w) for w in word[1:-1].split(",") if w.strip()]
    if word in ("true", "false"):
        return word == "true"
    try:
        return int(word, 0)
    except ValueError:
        return word


def load(text):
    lines = [(len(s) - len(s.lstrip()), s.strip()) for s in text.splitlines()
             if s.strip() and not s.lstrip().startswith("#") and
             s.strip() != "---"]
    value, at = _block(lines, 0, 0)
    if at != len(lines):
        raise ValueError(f"not understood: {lines[at][1]}")
    return value


def _block(lines, at, depth):
    if lines[at][1].startswith("-") and \
            lines[at][1][1:2] in ("", " "):
        out = []
        while at < len(lines) and lines[at][0] == depth and \
                lines[at][1][1:2] in ("", " "):
            word = lines[at][1][1:].strip()
            at += 1
            if word:
                out.append(_scalar(word))
            else:
                value, at = _block(lines, at, lines[at][0])
                out.append(value)
        return out, at
    out = {}
    while at < len(lines) and lines[at][0] == depth:
        name, colon, word = lines[at][1].partition(":")
        if not colon or name in out:
            raise ValueError(f"not understood: {lines[at][1]}")
        at += 1
        word = word.strip()
        if word == ">-":
            part = []
            while at < len(lines) and lines[at][0] > depth:
                part.append(lines[at][1])
                at += 1
            out[name] = " ".join(part)
        elif word:
            out[name] = _scalar(word)
        else:
            out[name], at = _block(lines, at, lines[at][0])
    return out, at

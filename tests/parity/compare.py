#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Usage: compare.py stream KERNEL SEED FILE-IN-KERNEL FILE-ADIT
       compare.py lines KERNEL FILE-IN-KERNEL FILE-ADIT
       compare.py table DIFFERENCES.md

stream: answers that stream.py wrote. lines: text, "NAME: VALUE" a line,
NAMEs in the same order. Every difference must be explained by a row of
deliberate.tsv; the rows that were used are printed as "used ROW COUNT".
table: each row of deliberate.tsv names a row of docs/differences.md."""

import collections
import difflib
import errno
import fnmatch
import itertools
import os
import re
import socket
import struct
import sys
import zlib

import nl
import stream

HERE = os.path.dirname(os.path.abspath(__file__))
SHOWN = 5       # differences that are printed in full
ARPHRD_NONE = 0xfffe


def table():
    """Rows of deliberate.tsv: name, kernels, where it holds (stream or a pattern of line names), row of the document."""
    rows = []
    with open(os.path.join(HERE, 'deliberate.tsv')) as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                rows.append(line.rstrip('\n').split('\t'))
    return rows


# --- what may differ in a stream: each takes the op and both answers, and returns ---
# --- ours with the difference taken out, as far as it is this one ----------------

def errors(got):
    return [e for g in got for e in [nl.error_of(*m[:2], m[4]) for m in nl.messages(g) if m[0] == nl.NLMSG_ERROR] if e]


def stripped(got, without=(1, 2)):
    """Answers with the text and place of an error taken out, or what else of it."""
    out = []
    for g in got:
        for kind, flags, seq, _, body in nl.messages(g):
            err = nl.error_of(kind, flags, body)
            if err and err[0]:
                at = 20 if kind == nl.NLMSG_ERROR else 4
                keep = b''.join(w for k, _, w in nl.attrs(body[at:]) if k is not None and k & nl.NLA_TYPE_MASK not in without)
                flags = flags if keep else flags & ~0x200
                body = body[:at] + keep
            out.append((kind, flags, seq, body))
    return out


def texts(got):
    return [e[1][1] for g in got for m in nl.messages(g) for e in [nl.error_of(m[0], m[1], m[4])] if e and 1 in e[1]]


def error_text(op, theirs, ours):
    """The same errors, only that ours come with a text where theirs have none."""
    return theirs if not texts(theirs) and texts(ours) and stripped(theirs) == stripped(ours) else ours


def late_error(op, theirs, ours):
    """After a SET with such an error, until the device is set anew; and which of several errors is told."""
    if 'after-late' in op.tags:
        return theirs
    # theirs is a success where the bad one belongs to a peer that is removed or not there
    return theirs if 'late' in op.tags and any(e[0] for e in errors(ours)) else ours


def swap_link(got, what, old, new):
    out = []
    for g in got:
        g = bytearray(g)
        i = 0
        while i + 32 <= len(g):
            n, kind = struct.unpack_from('=IH', g, i)
            if n < 16:
                break
            j = i + 32
            # lo has the same limit with both
            ours_too = struct.unpack_from('=H', g, i + 18)[0] == ARPHRD_NONE
            while kind == nl.RTM_NEWLINK and ours_too and j + 8 <= i + n:
                length, a = struct.unpack_from('=HH', g, j)
                if length < 4:
                    break
                if a == what and length == 8 and struct.unpack_from('=I', g, j + 4)[0] == old:
                    struct.pack_into('=I', g, j + 4, new)
                j += (length + 3) & ~3
            i += (n + 3) & ~3
        out.append(bytes(g))
    return out


def tso_max(op, theirs, ours):
    """IFLA_TSO_MAX_SIZE."""
    return swap_link(ours, 59, 65536, 524280)


TX_ERRORS, TX_DROPPED = 5, 7        # among a link's counters


def link_stats(got, which):
    """For each WireGuard link in the answers: where that counter is, as (answer, offset, format)."""
    for n, g in enumerate(got):
        at = 0
        while at + 32 <= len(g):
            size, kind = struct.unpack_from('=IH', g, at)
            if size < 16:
                break
            if kind == nl.RTM_NEWLINK and struct.unpack_from('=H', g, at + 18)[0] == ARPHRD_NONE:
                j = at + 32
                while j + 4 <= at + size:
                    length, a = struct.unpack_from('=HH', g, j)
                    if length < 4:
                        break
                    if a in (7, 23):
                        # of 32 and of 64 bits
                        yield n, j + 4 + which * (4 if a == 7 else 8), '=I' if a == 7 else '=Q'
                    j += (length + 3) & ~3
            at += (size + 3) & ~3


def no_fewer(theirs, ours, which):
    """Adit's answers with the other's counter where Adit has counted more."""
    places = list(link_stats(ours, which))
    if places != list(link_stats(theirs, which)):
        return ours
    ours = [bytearray(g) for g in ours]
    for n, at, form in places:
        a, b = struct.unpack_from(form, theirs[n], at)[0], struct.unpack_from(form, ours[n], at)[0]
        if a < b:
            struct.pack_into(form, ours[n], at, a)
    return [bytes(g) for g in ours]


def no_route(op, theirs, ours):
    """A handshake that finds no route: counted by Adit, and never fewer errors than the other has."""
    return no_fewer(theirs, ours, TX_ERRORS)


def low_order(op, theirs, ours):
    """What waits for a peer whose key is of low order is dropped, and counted, at once."""
    return no_fewer(theirs, ours, TX_DROPPED)


def remove_me(op, theirs, ours):
    """An allowed IP with flags, until the device is set anew."""
    if 'remove-me' in stream.LACKS and 'remove-me' in op.tags and any(e[0] for e in errors(theirs)):
        return theirs
    return ours


def get_policy(op, theirs, ours):
    """An attribute of SET in a GET is refused."""
    if 'get-policy' in stream.LACKS and stream.more_than_get(op.data) and any(e[0] == -errno.EINVAL for e in errors(ours)):
        return theirs
    return ours


def policy_told(op, theirs, ours):
    """The same errors, only that the policy that comes with them says how peers nest."""
    if 'nested-policy' in stream.LACKS and stripped(theirs, (4,)) == stripped(ours, (4,)):
        return theirs
    return ours


STREAM = {'remove-me': remove_me, 'get-policy': get_policy, 'policy-told': policy_told, 'tso-max': tso_max, 'no-route': no_route, 'low-order': low_order, 'error-text': error_text, 'late-error': late_error}


# --- what is left out of an answer, by name --------------------------------------

def normal(got, op):
    """Answers without what is random: a port that the kernel chose, and what the kernel measures of IPv6 neighbours."""
    return [mask(g) for g in got]


def cacheinfo(out, at, end, path):
    """IFLA_AF_SPEC, AF_INET6, IFLA_INET6_CACHEINFO: its time stamp and reachable time."""
    while at + 4 <= end:
        length, what = struct.unpack_from('=HH', out, at)
        if length < 4:
            break
        if what & nl.NLA_TYPE_MASK == path[0]:
            if path[1:]:
                cacheinfo(out, at + 4, at + length, path[1:])
            elif length >= 16:
                out[at + 8:at + 16] = bytes(8)
        at += (length + 3) & ~3


def mask(data):
    out, at = bytearray(data), 0
    while at + 20 <= len(out):
        n, kind = struct.unpack_from('=IH', out, at)
        if n < 16:
            break
        if kind == nl.FAMILY:
            i = at + 20
            while i + 4 <= at + n:
                length, what = struct.unpack_from('=HH', out, i)
                if length < 4:
                    break
                if what == 6 and length == 6:
                    port, = struct.unpack_from('=H', out, i + 4)
                    if stream.AUTO_PORTS[0] <= port <= stream.AUTO_PORTS[1]:
                        struct.pack_into('=H', out, i + 4, 0xffff)
                i += (length + 3) & ~3
        elif kind == nl.RTM_NEWLINK:
            cacheinfo(out, at + 32, at + n, (26, socket.AF_INET6, 5))
        at += (n + 3) & ~3
    return bytes(out)


# --- comparing -----------------------------------------------------------------------

def answers(path):
    with open(path) as f:
        for line in f:
            n, sock, request, got = line.rstrip('\n').split(' ')
            yield int(n), sock, bytes.fromhex(request), [bytes.fromhex(g) for g in got.split(',') if g]


def show(data):
    return ['    ' + line if len(line) < 200 else f'    {line[:150]}.. ({len(line)} characters, sum {zlib.crc32(line.encode()):08x})'
            for line in nl.show_messages(data)]


def compare_stream(kernel, seed, theirs_path, ours_path):
    rows = [r for r in table() if r[2] == 'stream' and fnmatch.fnmatch(kernel, r[1])]
    used, bad, count, kinds, later = collections.Counter(), 0, 0, collections.Counter(), []
    gen = stream.Generator(seed).requests(1 << 60)
    sides = answers(theirs_path), answers(ours_path)
    while True:
        a, b = next(sides[0], None), next(sides[1], None)
        if a is None and b is None:
            break
        if a is None or b is None:
            print(f'one side has {count} answers, the other more')
            bad += 1
            break
        op = next(gen)
        if a[2] != b[2] or a[2] != op.data + (op.middle or b''):
            print(f'request {count} of seed {seed} is not the same on both sides')
            bad += 1
            break
        count += 1
        for e in errors(b[3]) or [(0, {})]:
            kinds[nl.error_name(e[0])] += 1
        theirs, ours = a[3], b[3]
        if theirs == ours:
            continue
        theirs, ours = normal(theirs, op), normal(ours, op)
        if theirs == ours:
            continue
        rest, needed = ours, []
        for row in rows:
            before, rest = rest, STREAM[row[0]](op, theirs, rest)
            needed += [row[0]] if rest != before else []
        if theirs == rest:
            used.update(needed)
        else:
            bad += 1
            if bad > SHOWN:
                later.append(a[0])
                continue
            print(f'difference at request {a[0]} of seed {seed}, on socket {op.sock}:')
            print('\n'.join(show(op.data + (op.middle or b''))))
            one, two = [x for g in theirs for x in show(g)], [x for g in ours for x in show(g)]
            if len(theirs) != len(ours):
                print(f'  receives: in-kernel {[len(g) for g in theirs]}, Adit {[len(g) for g in ours]}')
            print('\n'.join(list(difflib.unified_diff(one, two, 'in-kernel answers', 'Adit answers', n=2, lineterm=''))[:30]))
    if later:
        print(f'further differences at requests {" ".join(map(str, later))}')
    print(f'seed {seed}: {count} requests, {bad} unexplained differences; Adit answered: ' +
          ', '.join(f'{k} {v}' for k, v in kinds.most_common()))
    for k, v in used.items():
        print(f'used {k} {v}')
    return bad or not count


def compare_lines(kernel, theirs_path, ours_path):
    rows = [r for r in table() if r[2] != 'stream' and fnmatch.fnmatch(kernel, r[1])]
    sides, used, bad = [], collections.Counter(), 0
    for path in (theirs_path, ours_path):
        d = collections.OrderedDict()
        with open(path, errors='replace') as f:
            for line in f:
                k, _, v = line.rstrip('\n').partition(': ')
                d.setdefault(k, []).append(v)
        sides.append(d)
    theirs, ours = sides
    for k in list(theirs) + [k for k in ours if k not in theirs]:
        a, b = theirs.get(k, ['(absent)']), ours.get(k, ['(absent)'])
        if a == b:
            continue
        same = b
        for row in rows:
            # NAME-PATTERN=THEIRS=>OURS: what OURS matches in our line is THEIRS in the other
            # NAME-PATTERN alone: whatever either side says
            names, values, rest = row[2].partition('=')
            x, _, y = rest.partition('=>')
            if fnmatch.fnmatchcase(k, names) and not values:
                used[row[0]] += 1
                same = a
            elif fnmatch.fnmatchcase(k, names):
                c = [re.sub(y, x, v) if v != w else v for v, w in itertools.zip_longest(same, a, fillvalue='')]
                used[row[0]] += c != same
                same = c
        if same != a:
            bad += 1
            print(f'difference in {k}:')
            for name, side, other in (('in-kernel', a, b), ('Adit', b, a)):
                print(f'  {name}: ' + '\n      '.join(x for x in side if x not in other))
    if list(theirs) != list(ours) and set(theirs) == set(ours):
        print('the lines come in another order')
        bad += 1
    print(f'{len(theirs)} things compared, {bad} unexplained differences')
    for k, v in (+used).items():
        print(f'used {k} {v}')
    return bad or not theirs


def check_table(path):
    with open(path) as f:
        known = {line.split('|')[1].strip() for line in f if line.startswith('| ')}
    bad = 0
    for row in table():
        if len(row) != 4 or row[3] not in known:
            print(f'deliberate.tsv: {row[0]} names no row of {path}: {row[-1]}')
            bad += 1
    return bad


if __name__ == '__main__':
    what = {'stream': (compare_stream, 4), 'lines': (compare_lines, 3), 'table': (check_table, 1)}.get(sys.argv[1] if len(sys.argv) > 1 else '')
    if not what or len(sys.argv) - 2 != what[1]:
        sys.exit(__doc__)
    sys.exit(1 if what[0](*sys.argv[2:]) else 0)

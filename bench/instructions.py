#!/usr/bin/env python3
"""Instructions a packet in the receive and send core, counted by valgrind, which repeats exactly.

    instructions.py [--check LIMITS] [--quick] [--json FILE] [CORE_COUNT]

CORE_COUNT is the program of bench/core_count.cpp (or the environment's CORE_COUNT). Counted at the AVX2 level, because
valgrind knows no AVX-512; the replay port's own instructions are counted alone and taken off. Without --check the
stages of the receive path are counted too, and all is printed.

--check compares with LIMITS (instruction_limits.toml): a count more than a tenth above its line fails. Each section of
that file is a compiler with its version and a level; for a compiler that has none the section to add is printed.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

LEVEL = 'avx2'
ALLOWED_GROWTH = 1.10
WORTH_LOWERING = 0.90
# Whole laps of the frames, long enough that a window's rare work (trail steps, laps of the log) shows its share.
PACKETS = 16384

# What is limited: name -> (what core_count calls it, whether the port's share is taken off).
LIMITED = {
    'receive, TSDU 2': ('receive-worker-2', True),
    'receive, TSDU 100': ('receive-worker-100', True),
    'receive, TSDU 1400': ('receive-worker-1400', True),
    'receive, packed, 64': ('receive-packed-64', True),
    'receive, 100 sessions in turn': ('receive-sessions-100-1', True),
    'send, 100': ('send-100', False),
    'send, packed, 64': ('send-packed-64', False),
}
SHOWN = {
    'receive, TSDU 100: frame': ('receive-frame-100', True),
    'receive, TSDU 100: and decode': ('receive-decode-100', True),
    'receive, TSDU 100: and copy and sum': ('receive-checksum-100', True),
    'receive, TSDU 100: and window': ('receive-window-100', True),
    'application publishes, 100': ('publish-100', False),
    'application publishes, packed, 64': ('publish-packed-64', False),
}


class CountError(Exception):
    """What went wrong, in one line."""


def count(program, what, packets):
    """Instructions, packets and messages of one run."""
    try:
        done = subprocess.run(
            ['valgrind', '--tool=callgrind', '--toggle-collect=fanfare_counted', '--callgrind-out-file=/dev/null',
             program, what, str(packets), '--level', LEVEL], capture_output=True, text=True, timeout=300)
    except FileNotFoundError:
        raise CountError('valgrind is missing: apt-get install valgrind') from None
    collected = re.search(r'Collected : (\d+)', done.stderr)
    if done.returncode != 0 or collected is None:
        raise CountError(f'{what}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}')
    facts = json.loads(done.stdout)
    return int(collected[1]), facts


def counts(program, wanted, packets):
    """Name -> {packet: instructions, message: instructions}, and who compiled it."""
    port, facts = count(program, 'receive-port-2', packets)
    per_packet_port = port / facts['packets']
    result = {}
    for name, (what, takes_port) in wanted.items():
        total, facts = count(program, what, packets)
        per_packet = total / facts['packets'] - (per_packet_port if takes_port else 0)
        result[name] = {'packet': round(per_packet, 1),
                        'message': round(per_packet * facts['packets'] / facts['messages'], 1)}
    return result, f"{facts['compiler']}, {LEVEL}"


def section(compiler, result):
    lines = [f'["{compiler}"]'] + [f'"{name}" = {value["packet"]}' for name, value in result.items()]
    return '\n'.join(lines)


def check(result, compiler, limits_file):
    """Lines that say what has grown; empty when nothing has."""
    limits = tomllib.loads(limits_file.read_text())
    known = limits.get(compiler)
    if known is None:
        print(f'{limits_file.name} knows no "{compiler}"; to be added:\n\n{section(compiler, result)}')
        return []
    faults = []
    for name, value in result.items():
        now, limit = value['packet'], known.get(name)
        if limit is None:
            faults.append(f'{name}: no limit in section "{compiler}" of {limits_file.name}; to be added:  '
                          f'"{name}" = {now}')
            continue
        verdict = 'more than a tenth above its limit' if now > limit * ALLOWED_GROWTH else ''
        if now < limit * WORTH_LOWERING:
            verdict = 'far below: the limit can be lowered'
        print(f'{name:<24} {now:8.1f} instructions a packet, limit {limit:8.1f}  {verdict}')
        if now > limit * ALLOWED_GROWTH:
            faults.append(f'{name}: {now} instructions a packet, limit {limit}: {now / limit - 1:+.0%}')
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('program', nargs='?', default=os.environ.get('CORE_COUNT', 'build/bench/core_count'))
    parser.add_argument('--check', metavar='LIMITS', type=pathlib.Path)
    parser.add_argument('--json', metavar='FILE', type=pathlib.Path)
    parser.add_argument('--quick', action='store_true', help='the limited ones alone')
    a = parser.parse_args()
    try:
        wanted = LIMITED if a.check or a.quick else {**LIMITED, **SHOWN}
        result, compiler = counts(a.program, wanted, PACKETS)
        faults = check(result, compiler, a.check) if a.check else []
    except CountError as e:
        print(f'instructions: {e}', file=sys.stderr)
        return 1
    if not a.check:
        print(f'instructions, {compiler}')
        for name, value in result.items():
            print(f"  {name:<40} {value['packet']:8.1f} a packet {value['message']:8.1f} a message")
    if a.json:
        a.json.write_text(json.dumps({'compiler': compiler, 'counts': result}, indent=2) + '\n')
    for fault in faults:
        print(f'instructions: {fault}', file=sys.stderr)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())

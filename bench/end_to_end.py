#!/usr/bin/env python3
"""Fanfare and its peers in turn on the same wire, messages written by the sender, read and checked by the receiver.

    end_to_end.py [--pairs N] [--seconds S] [--json FILE] [--quick] [--subjects A,B] [--sweep NAME | scenario options]

One point: --wire --size --mode --loss --readers --sessions --workers. A sweep runs one of the named rows of points
(--list names them). The sender's side runs on the first of --cores, the receiver's on the second. A B A B; medians and
their spread count, as a virtual machine's absolute figures do not repeat. A run that lost, changed or reordered a
single octet is an error, not a result; one beside which others took the machine is void. Needs root.
"""
import argparse
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import machine  # noqa: E402
from harness.scenario import MODES, WIRES, Scenario  # noqa: E402
from harness.subjects import SUBJECTS  # noqa: E402
from harness.sweeps import SWEEPS  # noqa: E402
from harness.turns import alternate, summary, summary_line  # noqa: E402

SKIPPED = 77


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pairs', type=int, default=5, help='runs of each (5)')
    parser.add_argument('--seconds', type=float, default=2.0, help='length of a run (2)')
    parser.add_argument('--json', type=pathlib.Path, help='all results to this file')
    parser.add_argument('--build', type=pathlib.Path, default=machine.TOP / 'build', help='where the programs are')
    parser.add_argument('--cores', default='0,1', help="the sending and the receiving side's core (0,1)")
    parser.add_argument('--idle', choices=('busy', 'yield', 'sleep'), default='yield', help="the daemons' (yield)")
    parser.add_argument('--subjects', default='fanfare embedded,fanfare daemon,testpmd,openpgm',
                        help=f"of {', '.join(SUBJECTS)}")
    parser.add_argument('--quick', action='store_true', help='one short run of each, beside whatever else runs')
    parser.add_argument('--anyway', action='store_true', help='measure beside other load')
    parser.add_argument('--sweep', choices=sorted(SWEEPS), action='append', help='a named row of points')
    parser.add_argument('--list', action='store_true', help='name the sweeps')
    parser.add_argument('--wire', choices=WIRES, default='af_xdp')
    parser.add_argument('--size', type=int, default=1400, help='octets of a message (1400)')
    parser.add_argument('--mode', choices=MODES, default='message')
    parser.add_argument('--loss', type=float, default=0, help='percent')
    for name in ('readers', 'sessions', 'workers'):
        parser.add_argument(f'--{name}', type=int, default=1)
    parser.add_argument('--window', type=float, default=64, help="Fanfare's windows in MiB, a power of two (64)")
    parser.add_argument('--rate', type=int, default=0, help="Fanfare's in Mbit/s; 0 is what the port takes (0)")
    parser.add_argument('--udp', type=int, default=0, help='UDP encapsulation on this port; 0 is raw IP (0)')
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.seconds, options.anyway = 1, min(options.seconds, 0.5), True
    try:
        options.cores = [int(c) for c in options.cores.split(',')]
    except ValueError:
        parser.error(f'--cores {options.cores}: two numbers such as 0,1')
    options.subjects = [name.strip() for name in options.subjects.split(',')]
    unknown = [name for name in options.subjects if name not in SUBJECTS]
    if unknown:
        parser.error(f"no subject {unknown[0]}: {', '.join(SUBJECTS)}")
    if len(options.cores) != 2 or options.pairs < 1 or not 16 <= options.size <= 9000 or options.seconds <= 0:
        parser.error('two cores, at least one pair, 16 to 9000 octets and a positive time are needed')
    return options


def points(options):
    """(title, label -> (subject, scenario)) of everything asked for."""
    if options.sweep:
        for name in options.sweep:
            for title, cases in SWEEPS[name](options.quick):
                yield f'{name}: {title}', {label: (subject, scenario.but(seconds=options.seconds))
                                           for label, (subject, scenario) in cases.items()}
        return
    scenario = Scenario(options.wire, options.size, options.mode, options.loss, options.readers, options.sessions,
                        options.workers, options.seconds, options.window, options.rate, options.udp)
    yield scenario.text(), {subject: (subject, scenario) for subject in options.subjects}


def bench(options):
    known = machine.before(options)
    print(machine.line(known))
    out = []
    failed = 0
    for title, cases in points(options):
        print(f'-- {title}')
        results = alternate(options, cases)
        totals = {label: summary(values) for label, values in results.items()}
        for label, total in totals.items():
            print('    ' + summary_line(label, total))
            failed += total is None
        out.append({'title': title, 'scenarios': {label: {'subject': subject, **scenario.__dict__}
                                                  for label, (subject, scenario) in cases.items()},
                    'results': results, 'summary': totals})
    machine.after(options, known)
    print(f"a cache line there and back afterwards {known['core_distance_ns_after']} ns")
    if options.json:
        options.json.write_text(json.dumps({'bench': 'end_to_end', 'machine': known, 'points': out}, indent=2) + '\n')
    return 1 if failed else 0


def main():
    options = arguments()
    if options.list:
        print('\n'.join(sorted(SWEEPS)))
        return 0
    if os.geteuid() != 0:
        print('end_to_end: needs root for its network namespaces: sudo python3 bench/end_to_end.py', file=sys.stderr)
        return SKIPPED
    # An interruption unwinds, so that namespaces and programs go.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        return bench(options)
    except machine.BenchError as problem:
        print(f'end_to_end: {problem}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())

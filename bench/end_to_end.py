#!/usr/bin/env python3
"""Fanfare and OpenPGM in turn on the same wire, messages written by the sender, read and checked by the receiver.

    python3 bench/end_to_end.py [--pairs N] [--size OCTETS] [--seconds S] [--json FILE] [--quick]

One veth pair between two network namespaces. Fanfare: a daemon on each side (AF_XDP, or --device af_packet), the
sender's client on the core of its daemon, the receiver's on the other. OpenPGM: kernel sockets on the same pair, sender
and receiver on the same two cores. A B A B; medians and their spread count, as a virtual machine's absolute figures
do not repeat. A run that lost, changed or reordered a single octet is an error, not a result.
"""

import argparse
import contextlib
import ctypes
import datetime
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
GROUP, PORT = '239.78.0.1', 7500
SENDER, RECEIVER = '10.78.0.1', '10.78.0.2'
READY_SECONDS = 20
FINISH_SECONDS = 60
SKIPPED = 77

_libc = ctypes.CDLL(None)


class BenchError(Exception):
    """What went wrong, in one line."""


def run(*argv, check=True):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=30)
    if check and done.returncode != 0:
        raise BenchError(f"{' '.join(str(a) for a in argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Program:
    """A program inside a namespace, on one core where one is given, that does not outlive this one."""

    def __init__(self, namespace, argv, core=None):
        self.name = pathlib.Path(argv[0]).name
        self.errors = tempfile.TemporaryFile()
        self.output = tempfile.TemporaryFile()

        def prepare():
            _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if core is not None:
                os.sched_setaffinity(0, {core})

        self.popen = subprocess.Popen(['ip', 'netns', 'exec', namespace, *[str(a) for a in argv]], preexec_fn=prepare,
                                      stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.errors)

    def text(self, stream=None):
        stream = stream or self.errors
        return os.pread(stream.fileno(), os.fstat(stream.fileno()).st_size, 0).decode(errors='replace')

    def expect(self, words):
        end = time.monotonic() + READY_SECONDS
        while words not in self.text():
            if self.popen.poll() is not None or time.monotonic() > end:
                raise BenchError(f'{self.name} is not ready: {self.text().strip()[-400:]}')
            time.sleep(0.01)

    def finish(self, seconds):
        try:
            status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchError(f'{self.name} did not end within {seconds:.0f} s: {self.text().strip()[-400:]}') from None
        if status != 0:
            raise BenchError(f'{self.name} ended with {status}: {self.text().strip()[-400:]}')
        return self.text(self.output)

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait(5)


class Wire:
    """Two namespaces joined by a veth pair; the kernel holds the addresses, which AF_XDP does not disturb."""

    def __init__(self):
        self.names = [f'ffb{os.getpid()}{side}' for side in 'ab']

    def __enter__(self):
        a, b = self.names
        for name in self.names:
            run('ip', 'netns', 'add', name)
            run('ip', 'netns', 'exec', name, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1',
                'net.ipv6.conf.default.disable_ipv6=1', check=False)
            run('ip', '-n', name, 'link', 'set', 'lo', 'up')
        run('ip', '-n', a, 'link', 'add', 'name', 'v0', 'type', 'veth', 'peer', 'name', 'v1', 'netns', b)
        for name, device, address in ((a, 'v0', SENDER), (b, 'v1', RECEIVER)):
            run('ip', '-n', name, 'link', 'set', device, 'up')
            run('ip', '-n', name, 'address', 'add', f'{address}/24', 'dev', device)
            run('ip', '-n', name, 'route', 'add', '224.0.0.0/4', 'dev', device)
            # An AF_XDP port gets frames as they are: nothing may be left for a card to finish.
            run('ip', 'netns', 'exec', name, 'ethtool', '-K', device, 'tx', 'off', check=False)
        return self

    def __exit__(self, *_):
        for name in self.names:
            run('ip', 'netns', 'del', name, check=False)


def result_of(output, size):
    values = json.loads(output)
    rate = values['messages'] / values['seconds']
    return {'messages': values['messages'], 'seconds': values['seconds'], 'messages_per_second': rate,
            'gbit_per_second': rate * size * 8 / 1e9}


def fanfare_once(options, wire, folder, stack):
    sides = []
    for name, device, address, core in ((wire.names[0], 'v0', SENDER, options.cores[0]),
                                        (wire.names[1], 'v1', RECEIVER, options.cores[1])):
        control = folder / f'{device}.sock'
        daemon = Program(name, [options.build / 'apps/fanfared', '--control', control, '--lcores', core, '--idle',
                                options.idle, '--interface',
                                f'feed,{address}/24,net_{options.device}0,iface={device}'])
        stack.callback(daemon.stop)
        sides.append((name, control, core, daemon))
    for side in sides:
        side[3].expect('fanfared: ready')
    feed = options.build / 'bench/peers/fanfare_feed'
    common = [GROUP, PORT, '--size', options.size, *(('--udp', options.udp) if options.udp else ())]
    name, control, core, _ = sides[1]
    receiver = Program(name, [feed, 'receive', control, *common, '--window', options.window << 20], core)
    stack.callback(receiver.stop)
    receiver.expect('ready')
    name, control, core, _ = sides[0]
    sender = Program(name, [feed, 'send', control, *common, '--seconds', options.seconds, '--window',
                            options.window << 20, '--rate', options.rate * 1000000], core)
    stack.callback(sender.stop)
    sender.finish(options.seconds + FINISH_SECONDS)
    result = result_of(receiver.finish(FINISH_SECONDS), options.size)
    result['counters'] = counters(options, sides)
    return result


def counters(options, sides):
    """What was lost and repaired on the way, from both daemons."""
    wanted = {'naks_sent', 'naks_received', 'rdata_sent', 'rdata_received', 'window_full', 'transmit_full'}
    found = {}

    def look(tree):
        if isinstance(tree, dict):
            for key, value in tree.items():
                if key in wanted and isinstance(value, (int, float)):
                    found[key] = found.get(key, 0) + value
                look(value)
        elif isinstance(tree, list):
            for value in tree:
                look(value)

    for name, control, _, _ in sides:
        done = subprocess.run(['ip', 'netns', 'exec', name, str(options.build / 'apps/fanfare'), '--control',
                               str(control), 'status', '--json'], capture_output=True, text=True, timeout=20)
        with contextlib.suppress(ValueError):
            look(json.loads(done.stdout))
    return found


def openpgm_once(options, wire, _folder, stack):
    feed = options.build / 'bench/peers/openpgm_feed'
    common = [GROUP, PORT, '--size', options.size, *(('--udp', options.udp) if options.udp else ())]
    receiver = Program(wire.names[1], [feed, 'receive', RECEIVER, *common], options.cores[1])
    stack.callback(receiver.stop)
    receiver.expect('ready')
    time.sleep(0.3)  # the kernel's IGMP report and the library's first timers
    sender = Program(wire.names[0], [feed, 'send', SENDER, *common, '--seconds', options.seconds], options.cores[0])
    stack.callback(sender.stop)
    sender.expect('ready')
    return result_of(receiver.finish(options.seconds + FINISH_SECONDS), options.size)


SIDES = {'fanfare': fanfare_once, 'openpgm': openpgm_once}


def measure(options, wire, side):
    """One run. A failure counts as such and does not end the bench: it stands in the table."""
    with tempfile.TemporaryDirectory(prefix='ffbench') as folder, contextlib.ExitStack() as stack:
        try:
            return SIDES[side](options, wire, pathlib.Path(folder), stack)
        except (BenchError, subprocess.TimeoutExpired, ValueError) as problem:
            return {'failed': str(problem)}


def busy_share(seconds=0.5):
    """Cores' worth of work that others do now."""
    def spent():
        fields = [int(x) for x in open('/proc/stat').readline().split()[1:9]]
        return sum(fields) - fields[3] - fields[4]

    before = spent()
    time.sleep(seconds)
    return (spent() - before) / os.sysconf('SC_CLK_TCK') / seconds


def core_distance(options):
    done = subprocess.run([str(options.build / 'bench/peers/core_distance'), *map(str, options.cores)],
                          capture_output=True, text=True, timeout=20)
    return int(done.stdout) if done.returncode == 0 else None


def machine():
    model = next((line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), '?')
    return {'cpu': model, 'cores': os.cpu_count(), 'kernel': platform.release(),
            'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC')}


def summary(results):
    rates = [r['messages_per_second'] for r in results if 'failed' not in r]
    if not rates:
        return None
    return {'runs': len(rates), 'failed': len(results) - len(rates), 'median': statistics.median(rates),
            'least': min(rates), 'most': max(rates)}


def arguments():
    parser = argparse.ArgumentParser(description='Fanfare and OpenPGM in turn on one veth pair.')
    parser.add_argument('--pairs', type=int, default=5, help='runs of each (5)')
    parser.add_argument('--size', type=int, default=1400, help='octets of a message (1400)')
    parser.add_argument('--seconds', type=float, default=2.0, help='length of a run (2)')
    parser.add_argument('--json', type=pathlib.Path, help='all results to this file')
    parser.add_argument('--build', type=pathlib.Path, default=TOP / 'build', help='where the programs are (build)')
    parser.add_argument('--device', choices=('af_xdp', 'af_packet'), default='af_xdp')
    parser.add_argument('--idle', choices=('busy', 'yield', 'sleep'), default='yield', help="the daemons' (yield)")
    parser.add_argument('--udp', type=int, default=0, help='UDP encapsulation on this port; 0 is raw IP (0)')
    parser.add_argument('--rate', type=int, default=0, help="Fanfare's in Mbit/s; 0 is what the port takes (0)")
    parser.add_argument('--window', type=int, default=48, help="Fanfare's windows in MiB (48)")
    parser.add_argument('--cores', default='0,1', help="the senders' and the receivers' core (0,1)")
    parser.add_argument('--only', choices=sorted(SIDES), help='one side alone')
    parser.add_argument('--quick', action='store_true', help='two pairs of one second, beside whatever else runs')
    parser.add_argument('--anyway', action='store_true', help='measure beside other load')
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.seconds, options.anyway = 2, 1.0, True
    try:
        options.cores = [int(c) for c in options.cores.split(',')]
    except ValueError:
        parser.error(f'--cores {options.cores}: two numbers such as 0,1')
    if len(options.cores) != 2 or options.pairs < 1 or not 16 <= options.size <= 1400 or options.seconds <= 0:
        parser.error('two cores, at least one pair, 16 to 1400 octets and a positive time are needed')
    return options


def check(options):
    for part in ('apps/fanfared', 'apps/fanfare', 'bench/peers/fanfare_feed', 'bench/peers/openpgm_feed'):
        if not (options.build / part).exists():
            raise BenchError(f'{options.build / part} is not built: scripts/build (with libpgm-dev), or --build FOLDER')
    load = busy_share()
    if load > 0.2 and not options.anyway:
        raise BenchError(f'{load:.1f} cores are busy with something else; wait for it to end, or say --anyway')
    return load


def bench(options):
    facts = machine()
    facts['load_before'] = round(check(options), 2)
    facts['core_distance_ns_before'] = core_distance(options)
    print(f"{facts['cpu']}, {facts['cores']} cores, kernel {facts['kernel']}, {facts['date']}; "
          f"load before {facts['load_before']}, a cache line there and back {facts['core_distance_ns_before']} ns")
    print(f"veth, {options.device}, {'UDP port ' + str(options.udp) if options.udp else 'raw IP'}, {options.size}-byte "
          f"messages, {options.seconds:g} s a run, idle={options.idle}")
    sides = [options.only] if options.only else list(SIDES)
    results = {side: [] for side in sides}
    with Wire() as wire:
        for pair in range(options.pairs):
            for side in sides:
                result = measure(options, wire, side)
                results[side].append(result)
                if 'failed' in result:
                    print(f'{pair + 1:3} {side:8} FAILED: {result["failed"]}', flush=True)
                else:
                    notes = ', '.join(f'{k} {v}' for k, v in sorted(result.get('counters', {}).items()) if v)
                    print(f"{pair + 1:3} {side:8} {result['messages_per_second'] / 1e6:8.3f} M messages/s "
                          f"{result['gbit_per_second']:7.2f} Gbit/s  {notes}", flush=True)
    facts['core_distance_ns_after'] = core_distance(options)
    totals = {side: summary(values) for side, values in results.items()}
    for side, total in totals.items():
        if total is None:
            print(f'{side:12} no run succeeded')
            continue
        print(f"{side:12} median {total['median'] / 1e6:.3f} M messages/s, {total['least'] / 1e6:.3f} to "
              f"{total['most'] / 1e6:.3f}, {total['runs']} runs, {total['failed']} failed")
    ratio = None
    if all(totals.get(side) for side in SIDES):
        ratio = totals['fanfare']['median'] / totals['openpgm']['median']
        print(f'ratio        {ratio:.2f}')
    print(f"a cache line there and back afterwards {facts['core_distance_ns_after']} ns")
    if options.json:
        options.json.write_text(json.dumps(
            {'bench': 'end_to_end', 'machine': facts, 'command': sys.argv, 'size': options.size, 'results': results,
             'summary': totals, 'ratio': ratio}, indent=2) + '\n')
    return 0 if all(total and not total['failed'] for total in totals.values()) else 1


def main():
    options = arguments()
    if os.geteuid() != 0:
        print('end_to_end: needs root for its network namespaces: sudo python3 bench/end_to_end.py', file=sys.stderr)
        return SKIPPED
    # An interruption unwinds, so that namespaces and programs go.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        return bench(options)
    except BenchError as problem:
        print(f'end_to_end: {problem}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())

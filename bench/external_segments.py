#!/usr/bin/env python3
"""A copy into the frame against a segment that stands in the send window, on every kind of DPDK port.

    external_segments.py [--quick] [--json FILE] [--build DIR] [--pairs N] [--seconds N]

bench/peers/external_segments.cpp makes the frames, in turn, and checks what arrives. AF_PACKET and AF_XDP need root.
A port that does not carry a frame of two segments whole is said to be `damaged`: there only the copy is right.
"""
import argparse
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import machine, programs  # noqa: E402

SIZES = (64, 288, 1400)
NAMESPACE = 'ffbseg'
PACKET = 'blocksz=65536,framesz=2048,framecnt=8192'
PORTS = {
    'null': ['net_null0'],
    'memif': [f'net_memif{n},role={role},id=0,rsize=12,socket={NAMESPACE}' for n, role in ((0, 'server'), (1, 'client'))],
    'af_packet': [f'net_af_packet{n},iface=v{n},{PACKET}' for n in (0, 1)],
    'af_xdp': [f'net_af_xdp{n},iface=v{n},busy_budget=0' for n in (0, 1)],
}


@contextlib.contextmanager
def wire(kind):
    """Where the ports are: words before the program's own."""
    if not kind.startswith('af_'):
        yield []
        return
    inside = ['ip', 'netns', 'exec', NAMESPACE]
    with programs.namespaces([NAMESPACE]):
        programs.run('ip', '-n', NAMESPACE, 'link', 'add', 'name', 'v0', 'numrxqueues', '1', 'numtxqueues', '1', 'type',
                     'veth', 'peer', 'name', 'v1', 'numrxqueues', '1', 'numtxqueues', '1')
        for name in ('v0', 'v1'):
            programs.run('ip', '-n', NAMESPACE, 'link', 'set', 'dev', name, 'up')
        yield inside


def measure(options, kind, size):
    ports = PORTS[kind]
    lcores = '0@0' if len(ports) == 1 else '0@0,1@1'
    argv = [options.build / 'bench/peers/external_segments', size, options.seconds, options.pairs, '--', '--lcores', lcores,
            '--no-pci', '--no-huge', '-m', 256, '--no-telemetry', '--no-shconf', '--file-prefix', NAMESPACE]
    for port in ports:
        argv += ['--vdev', port]
    with wire(kind) as inside, machine.Watch() as watch:
        done = subprocess.run([str(word) for word in [*inside, *argv]], capture_output=True, text=True, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{')]
    if not lines:
        raise machine.BenchError((done.stderr or done.stdout).strip()[-200:])
    said = json.loads(lines[-1])
    found = {'kind': kind, 'size': size, 'damaged': said.pop('damaged')}
    copies = said['copy']
    for form, rates in said.items():
        ratios = [rate / copied for rate, copied in zip(rates, copies) if copied]
        found[form] = {'median': statistics.median(rates), 'least': min(rates), 'most': max(rates),
                       'of_copy': statistics.median(ratios) if ratios else None}
    if watch.void():
        found['void'] = watch.void()
    return found


def told(found):
    words = [f"{found['kind']:10} {found['size']:5}"]
    for form in ('copy', 'external', 'kept sum'):
        f = found[form]
        words.append(f"{form} {f['median'] / 1e6:7.3f} M/s ({f['least'] / 1e6:.3f} to {f['most'] / 1e6:.3f}, "
                     f"{f['of_copy'] or 0:.2f})")
    if found['damaged']:
        words.append(f"{found['damaged']} frames damaged: this driver sends the first segment alone")
    if 'void' in found:
        words.append(f"VOID: {found['void']}")
    return '  '.join(words)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--json', type=pathlib.Path)
    parser.add_argument('--build', type=pathlib.Path, default=machine.TOP / 'build')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=0.5)
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.seconds = 1, 0.1
    results = []
    try:
        for kind in PORTS:
            for size in SIZES:
                results.append(measure(options, kind, size))
                print(told(results[-1]), flush=True)
    except (machine.BenchError, OSError, subprocess.SubprocessError) as problem:
        print(f'external_segments: {problem}', file=sys.stderr)
        sys.exit(1)
    finally:
        if options.json:
            options.json.write_text(json.dumps(results, indent=2) + '\n')


if __name__ == '__main__':
    main()

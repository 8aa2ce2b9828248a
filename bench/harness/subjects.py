"""Who carries the messages: Fanfare embedded and as a daemon, its peers, and testpmd as the limit of a wire.

A subject is a function (options, scenario, wire, folder, stack) -> result of one run. `options` has build and cores:
side 0 runs on the first core, side 1 on the second. A result has messages_per_second and gbit_per_second.
"""
import contextlib
import json
import re
import statistics
import subprocess
import time

from harness.machine import BenchError
from harness.programs import start
from harness.wires import ADDRESSES

GROUP, PORT = '239.78.0.1', 7500
# What is lost at the end of a run is repaired in milliseconds; a receiver that still waits then has lost its session.
FINISH_SECONDS = 15


def result_of(output, size):
    values = json.loads(output)
    seconds = max(values['seconds'], 1e-6)
    rate = values['messages'] / seconds
    return {**values, 'messages_per_second': rate, 'gbit_per_second': rate * size * 8 / 1e9}


def built(options, name):
    program = options.build / 'bench/peers' / name
    if not program.exists():
        raise BenchError(f'{program} is not built: its library is missing (scripts/bench installs it)')
    return program


# A send window counts payload; its log, the next power of two, also holds each record's header and padding: up to two
# thirds on top of 32-octet messages.
SEND_SHARE = 0.6


def fanfare_options(s, side):
    window = s.window_mib * (1 << 20) * (SEND_SHARE if side == 0 else 1)
    words = ['--size', s.size, '--window', round(window)]
    if s.udp:
        words += ['--udp', s.udp]
    if s.pace:
        words += ['--pace', s.pace, '--batch', s.batch]
    return words


def embedded(options, s, wire, _folder, stack):
    """Application, worker and control in one thread a side."""
    feed = built(options, 'fanfare_embedded_feed')
    sides = []
    for side in (0, 1):
        words = [*fanfare_options(s, side), '--core', options.cores[side], '--sessions', s.sessions]
        if s.mode == 'stream':
            words += ['--stream', 1]
        if side == 1:
            words += ['--readers', s.readers]
            words += ['--loss', f'{s.loss:g}'] if s.loss else []
        else:
            words += ['--seconds', s.seconds, '--rate', s.rate_mbit * 1000000]
            words += ['--packed', 1] if s.mode == 'packed' else []
            words += ['--fec', s.fec] if s.fec else []
        sides.append([feed, ('send', 'receive')[side], wire.fanfare(side), GROUP, PORT, *words])
    receiver = start(stack, wire.names[1], sides[1], options.cores[1])
    if wire.kernel:
        receiver.expect('ready')
    # A memif's receiver is ready when the sender's end is there; the pause behind message 0 is longer than that takes.
    sender = start(stack, wire.names[0], sides[0], options.cores[0])
    result = result_of(receiver.finish(s.seconds + FINISH_SECONDS, [sender]), s.size)
    if s.pace:
        sender.expect('sent')
        time.sleep(0.05)
        with contextlib.suppress(ValueError):
            result['sender'] = json.loads(sender.text(sender.output))
    return result


def daemon(options, s, wire, folder, stack):
    """A daemon a side, its client on the same core."""
    if s.mode == 'stream' or s.sessions > 16 or s.fec:
        raise BenchError('streams, parity and many sessions are measured embedded')
    sides = []
    for side in (0, 1):
        control = folder / f'{side}.sock'
        lcores = options.cores[side] if s.workers == 1 else ','.join(map(str, sorted(options.cores)))
        words = ['--rx-loss', f'{s.loss:g}'] if s.loss and side == 1 else []
        program = start(stack, wire.names[side], [
            options.build / 'apps/fanfared', '--control', control, '--lcores', lcores, '--idle', options.idle,
            '--interface', wire.fanfare(side), *words])
        sides.append((control, program))
    for _, program in sides:
        program.expect('fanfared: ready')
    feed = built(options, 'fanfare_feed')
    receivers, senders = [], []
    for session in range(s.sessions):
        for _ in range(s.readers):
            receivers.append(start(stack, wire.names[1], [
                feed, 'receive', sides[1][0], GROUP, PORT + session, *fanfare_options(s, 1)], options.cores[1]))
    for receiver in receivers:
        receiver.expect('ready')
    for session in range(s.sessions):
        senders.append(start(stack, wire.names[0], [
            feed, 'send', sides[0][0], GROUP, PORT + session, *fanfare_options(s, 0), '--seconds', s.seconds, '--rate',
            s.rate_mbit * 1000000, *(['--packed'] if s.mode == 'packed' else [])], options.cores[0]))
    for sender in senders:
        sender.finish(s.seconds + FINISH_SECONDS)
    each = [result_of(receiver.finish(FINISH_SECONDS), s.size) for receiver in receivers]
    result = each[0]
    if len(each) > 1:
        # All sessions together; of several readers of one session, the slowest.
        pick = sum if s.sessions > 1 else min
        result = {**each[0], 'each': each}
        for name in ('messages_per_second', 'gbit_per_second'):
            result[name] = pick(one[name] for one in each) / (s.readers if s.sessions > 1 else 1)
    result['counters'] = counters(options, wire, sides)
    return result


def counters(options, wire, sides):
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

    for name, (control, _) in zip(wire.names, sides):
        done = subprocess.run(['ip', 'netns', 'exec', name, str(options.build / 'apps/fanfare'), '--control',
                               str(control), 'status', '--json'], capture_output=True, text=True, timeout=20)
        with contextlib.suppress(ValueError):
            look(json.loads(done.stdout))
    return found


def kernel_feed(program, by_interface=False, more=(), sender_ready=True):
    """A peer on kernel sockets."""
    def once(options, s, wire, _folder, stack):
        if not wire.kernel:
            raise BenchError('kernel sockets need a kernel interface')
        feed = built(options, program)
        where = wire.interfaces if by_interface else ADDRESSES
        stack.enter_context(wire.loss(s.loss))
        common = [GROUP, PORT, '--size', s.size, *more]
        receiver = start(stack, wire.names[1], [feed, 'receive', where[1], *common], options.cores[1])
        receiver.expect('ready')
        time.sleep(0.3)  # the kernel's IGMP report and the library's first timers
        sender = start(stack, wire.names[0], [feed, 'send', where[0], *common, '--seconds', s.seconds],
                       options.cores[0])
        if sender_ready:
            sender.expect('ready')
        return result_of(receiver.finish(s.seconds + FINISH_SECONDS, [sender]), s.size)
    return once


def testpmd(options, s, wire, _folder, stack):
    """txonly to rxonly with frames of one message: what the wire carries when nobody does anything with it."""
    sides = []
    for side, mode in ((1, 'rxonly'), (0, 'txonly')):
        core = options.cores[side]
        frame = ['--txpkts', max(s.frame_octets(), 64)] if mode == 'txonly' else []
        floats = '(' + ','.join(map(str, sorted(set(options.cores)))) + ')'
        sides.append(start(stack, wire.names[side], [
            'dpdk-testpmd', '--lcores', f'0@{floats},1@{core}', '--main-lcore', 0, '--no-pci', '--no-huge', '-m', 256,
            '--no-telemetry', '--no-shconf', '--file-prefix', f'{wire.names[side]}{side}', '--vdev', wire.vdev(side),
            '--', '--nb-cores', 1, '--forward-mode', mode, '--total-num-mbufs', 4096, '--no-lsc-interrupt',
            '--stats-period', 1, *frame]))
        sides[-1].expect('statistics', sides[-1].output)
    # The first second fills rings and the last may be cut.
    time.sleep(s.seconds + 3)
    rates = [int(x) for x in re.findall(r'Rx-pps:\s+(\d+)', sides[0].text(sides[0].output))]
    rates = [rate for rate in rates[2:] if rate > 0]
    if not rates:
        raise BenchError(f'testpmd received nothing: {sides[0].last_words()}')
    rate = statistics.median(rates)
    return {'messages_per_second': rate, 'packets_per_second': rate, 'gbit_per_second': rate * s.size * 8 / 1e9,
            'messages': sum(rates), 'seconds': len(rates)}


SUBJECTS = {
    'fanfare embedded': embedded,
    'fanfare daemon': daemon,
    'testpmd': testpmd,
    'openpgm': kernel_feed('openpgm_feed'),
    'openpgm udp': kernel_feed('openpgm_feed', more=('--udp', 3056)),
    'zmq epgm': kernel_feed('zmq_feed'),
    'norm': kernel_feed('norm_feed', by_interface=True, sender_ready=False),
    'kernel udp': kernel_feed('udp_feed', sender_ready=False),
    'kernel udp gso': kernel_feed('kernel_udp_feed', more=('--gso', 44), sender_ready=False),
}

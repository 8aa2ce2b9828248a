"""The goals, one function each: what is measured, beside what, and how much is wanted.

A goal gives rows: {'goal', 'what', 'value': summary, 'unit', 'beside': label -> summary, 'ratio_to': label or None,
'wanted', 'at_least'}. The figure that counts is the value, or its ratio to one that stands beside it in the same run.
"""
import contextlib
import statistics

from harness import parts
from harness.machine import BenchError, stalls
from harness.scenario import Scenario
from harness.subjects import SUBJECTS
from harness.turns import alternate, summary

M = 1e6
UDP = 3056
# Below this two cores are called near (nanoseconds for a cache line there and back).
NEAR_NS = 250


def row(what, value, unit, wanted, at_least=True, beside=None, ratio_to=None, note=''):
    return {'what': what, 'value': value, 'unit': unit, 'wanted': wanted, 'at_least': at_least,
            'beside': beside or {}, 'ratio_to': ratio_to, 'note': note}


def figure(r):
    """The number that is compared with the wanted one; None when there is none."""
    value = r['value']
    if value is None:
        return None
    if r['ratio_to'] is None:
        return value['median']
    other = r['beside'].get(r['ratio_to'])
    return value['median'] / other['median'] if other and other['median'] else None


def void(r):
    """All runs of the value, or of what it is held against, were void."""
    return any(total and total.get('all_void') for total in (r['value'], r['beside'].get(r['ratio_to'])))


def reached(r):
    """None where nothing that counts was measured."""
    number = figure(r)
    if number is None or void(r):
        return None
    return number >= r['wanted'] if r['at_least'] else number <= r['wanted']


def verdict(r):
    if r['reached'] is None:
        return 'void' if void(r) else 'not measured'
    return 'reached' if r['reached'] else 'not reached'


def constant(value):
    return {'median': value, 'least': value, 'most': value, 'runs': 1, 'failed': 0, 'void': 0, 'all_void': False}


def totals(options, cases):
    return {label: summary(results) for label, results in alternate(options, cases).items()}


def g1(options):
    found, = parts.micro(options, 'receive_core_bench', '^receive/tsdu:(2|100)/', 'packets/s')
    for name, wanted in (('2', 14.88 * M), ('100', 12 * M)):
        for large, where in (('0', 'window in the cache'), ('1', 'window larger than L3')):
            yield row(f'receive core, TSDU {name}, {where}', found.get(f'receive/tsdu:{name}/large:{large}'),
                      'packets/s', wanted)


def g2(options):
    found, = parts.micro(options, 'send_core_bench', '^send/octets:100', 'packets/s')
    yield row('send core, 100 octets, window kept', found.get('send/octets:100'), 'packets/s', 10 * M)


# Both ends' windows stay in the third-level cache beside the kernel's buffers: larger ones are walked through main
# memory, which a wire of testpmd's own few frames is not charged with.
WIRE_WINDOW_MIB = 16
# A memif loses nothing on its way and goes at tens of Gbit/s: what counts is that a window stays in the near caches.
MEMIF_WINDOW_MIB = 4


def g3(options):
    for size in (64, 1400):
        s = Scenario('af_xdp', size, seconds=options.seconds, window_mib=WIRE_WINDOW_MIB)
        t = totals(options, {name: (name, s) for name in ('fanfare embedded', 'testpmd', 'fanfare daemon', 'openpgm')})
        beside = {name: t[name] for name in ('testpmd', 'openpgm')}
        for who, of_wire, of_peer in (('fanfare embedded', 0.9, 4), ('fanfare daemon', 0.75, 3)):
            yield row(f'{who}, {size} octets, of the wire', t[who], 'messages/s', of_wire, True, beside, 'testpmd')
            yield row(f'{who}, {size} octets, of OpenPGM', t[who], 'messages/s', of_peer, True, beside, 'openpgm')


def g4(options):
    for size in (64, 32):
        s = Scenario('af_xdp', size, 'packed', seconds=options.seconds, window_mib=WIRE_WINDOW_MIB)
        t = totals(options, {'fanfare embedded': ('fanfare embedded', s), 'zmq epgm': ('zmq epgm', s),
                             'fanfare daemon': ('fanfare daemon', s), 'norm': ('norm', s),
                             'embedded stream': ('fanfare embedded', s.but(mode='stream'))})
        beside = {name: t[name] for name in ('zmq epgm', 'norm', 'embedded stream')}
        if size == 64:
            yield row('embedded, packed, 64 octets', t['fanfare embedded'], 'messages/s', 10 * M, True, beside)
            yield row('embedded, packed, 64 octets, of ZeroMQ', t['fanfare embedded'], 'messages/s', 5, True, beside,
                      'zmq epgm')
        else:
            yield row('embedded, packed, 32 octets, of ZeroMQ', t['fanfare embedded'], 'messages/s', 1, True, beside,
                      'zmq epgm')
        yield row(f'daemon, packed, {size} octets, of embedded', t['fanfare daemon'], 'messages/s', 0.6, True,
                  {'fanfare embedded': t['fanfare embedded']}, 'fanfare embedded')


def g5(options):
    for size, wanted in ((64, 0.8), (1400, 0.6)):
        s = Scenario('memif', size, seconds=options.seconds, window_mib=MEMIF_WINDOW_MIB)
        t = totals(options, {name: (name, s) for name in ('fanfare embedded', 'testpmd')})
        near = (options.distance or 0) < NEAR_NS
        if size == 1400 and near:
            bits = {who: total and {**total, **{k: total[k] * size * 8 / 1e9 for k in ('median', 'least', 'most')}}
                    for who, total in t.items()}
            yield row('embedded, memif, 1400 octets, cores near', bits['fanfare embedded'], 'Gbit/s', 40, True,
                      {'testpmd': bits['testpmd']})
        else:
            yield row(f'embedded, memif, {size} octets', t['fanfare embedded'], 'messages/s', wanted, True,
                      {'testpmd': t['testpmd']}, 'testpmd', note='' if near else 'cores far')


def g6(options):
    seconds = options.seconds
    found = parts.in_turn(options, {
        'one': lambda: parts.fan_out(options, 1, 0, seconds),
        'eight': lambda: parts.fan_out(options, 8, 0, seconds),
        'paced, none': lambda: parts.fan_out(options, 0, M, seconds),
        'paced, one': lambda: parts.fan_out(options, 1, M, seconds),
        'paced, eight': lambda: parts.fan_out(options, 8, M, seconds)})
    one = summary(found['one'])
    yield row('one reader, packed, 100 octets', one, 'messages/s', 20 * M)
    together = {k: summary(found[k], lambda r: r['all_readers_per_second']) for k in ('one', 'eight')}
    yield row('eight readers together, of one', together['eight'], 'messages/s', 1, True, {'one': together['one']}, 'one')
    ticks = {k: summary(found[k], lambda r: r['writer_ticks']) for k in ('paced, none', 'paced, one', 'paced, eight')}
    yield row('eight readers at 1 M/s, writer\'s ticks a message', ticks['paced, eight'], 'ticks', 1.05, False,
              {'none': ticks['paced, none']}, 'none')
    yield row('eight readers at 1 M/s, writer\'s ticks, of those with one reader', ticks['paced, eight'], 'ticks', 1.05,
              False, {'one': ticks['paced, one']}, 'one')
    yield row('eight readers, writer\'s instructions a message',
              constant(parts.instructions(options, 'send-local-8')), 'instructions', 1.05, False,
              {'one': constant(parts.instructions(options, 'send-local-1'))}, 'one')


def g7(options):
    """Parity: ours, ISA-L's on the same buffers, and the instruction alone."""
    found, = parts.micro(options, 'fec_bench', '^(encode_group/4|decode_group/4|encode_isal/0|instruction_limit)/',
                         'bytes_per_second')

    def in_gigabytes(name):
        total = found.get(name)
        return total and {**total, **{k: total[k] / 1e9 for k in ('median', 'least', 'most')}}
    for k, h in ((8, 2), (16, 4), (32, 8), (64, 16)):
        ours, shape = in_gigabytes(f'encode_group/4/{k}/{h}'), f'({k},{h})'
        limit, isal = in_gigabytes(f'instruction_limit/{h}'), in_gigabytes(f'encode_isal/0/{k}/{h}')
        yield row(f'{shape} encoded, of the instruction alone', ours, 'GB/s', 0.9, True, {'limit': limit}, 'limit')
        yield row(f'{shape} encoded, of ISA-L', ours, 'GB/s', 2.5, True, {'ISA-L': isal}, 'ISA-L')
        yield row(f'{shape} decoded, {h} lost, of encoding', in_gigabytes(f'decode_group/4/{k}/{h}'), 'GB/s', 0.7, True,
                  {'encoded': ours}, 'encoded')
    for k in (8, 64):
        yield row(f'({k},1) decoded, 1 lost, of encoding', in_gigabytes(f'decode_group/4/{k}/1'), 'GB/s', 0.7, True,
                  {'encoded': in_gigabytes(f'encode_group/4/{k}/1')}, 'encoded')


def g8(options):
    for pace in (20000, 200000):
        # At 200,000 a second a packet a message is what the wire carries at most: there they are packed.
        s = Scenario('af_xdp', 64, 'packed' if pace > 100000 else 'message', seconds=options.seconds, pace=pace)
        # A few at a time: a later one shows at once that one is missing.
        cases = {'idle': ('fanfare embedded', s.but(mode='message', pace=4000, batch=16, loss=10)),
                 'loss': ('fanfare embedded', s.but(loss=1)),
                 'parity': ('fanfare embedded', s.but(loss=1, fec='8,2'))}
        if pace == 20000:
            cases['daemon'] = ('fanfare daemon', s.but(loss=1))
        found = alternate(options, cases)
        for results in found.values():
            for r in results:
                if 'failed' not in r and not r['repaired']['count']:
                    r['failed'] = 'nothing was repaired'
        trip = summary(found['idle'], lambda r: r['repaired']['p50'])
        yield row(f'{pace}/s, 1 % loss, p50 of the repaired, of a round trip',
                  summary(found['loss'], lambda r: r['repaired']['p50']), 'ns', 3, False, {'round trip': trip},
                  'round trip')
        yield row(f'{pace}/s, 1 % loss, p99 of the repaired', summary(found['loss'], lambda r: r['repaired']['p99']),
                  'ns', 5e6, False)
        if 'daemon' in found:
            yield row(f'{pace}/s, 1 % loss, daemon, p99 of the repaired',
                      summary(found['daemon'], lambda r: r['repaired']['p99']), 'ns', 5e6, False)
        yield row(f'{pace}/s, 1 % loss, p99 of all', summary(found['loss'], lambda r: r['delay']['p99']), 'ns', 1e6,
                  False)
        yield row(f'{pace}/s, 1 % loss, parity 8,2, p99 of all', summary(found['parity'], lambda r: r['delay']['p99']),
                  'ns', 1e6, False)
        # Of the packets that were lost, those that somebody still had to ask for.
        yield row(f'{pace}/s, 1 % loss, parity 8,2, requests, of those without',
                  summary(found['parity'], lambda r: r['sender']['requests']), 'requests', 0.05, False,
                  {'without': summary(found['loss'], lambda r: r['sender']['requests'])}, 'without')


def g9(options):
    s = Scenario('af_xdp', 1400, seconds=options.seconds)
    percents = (0, 10) if options.quick else (0, 1, 2, 5, 10)
    t = totals(options, {f'{p} %': ('fanfare embedded', s.but(loss=p)) for p in percents})
    whole = {'0 %': t['0 %']}
    yield row('one receiver, 10 % loss, of the rate without', t['10 %'], 'messages/s', 0.85, True, whole, '0 %')
    for p in percents[1:-1]:  # no cliff on the way: never below what 10 % may cost
        yield row(f'one receiver, {p} % loss, of the rate without', t[f'{p} %'], 'messages/s', 0.85, True, whole, '0 %')
    # With parity a fifth of the wire goes to it, lost or not: held against its own rate without loss.
    parity = s.but(fec='8,2')
    t = totals(options, {f'{p} %': ('fanfare embedded', parity.but(loss=p)) for p in (0, 1, 10)})
    for p in (1, 10):
        yield row(f'one receiver, parity 8,2, {p} % loss, of the rate without', t[f'{p} %'], 'messages/s', 0.85, True,
                  {'0 %': t['0 %']}, '0 %')


def g10(options):
    s = Scenario('memif', 64, seconds=max(options.seconds, 1), pace=50000)
    SUBJECTS['raw bounce'] = lambda o, scenario, wire, _folder, stack: parts.bounce(o, scenario, wire, stack)
    before = stalls(options.build, options.cores, options.seconds)
    results = alternate(options, {'fanfare embedded': ('fanfare embedded', s), 'raw bounce': ('raw bounce', s)})
    after = stalls(options.build, options.cores, options.seconds)
    mine = [r for r in results['fanfare embedded'] if 'failed' not in r]
    still = [r for r in mine if not r.get('stalls') and not r.get('sender', {}).get('stalls')]
    note = 'stalls above 20 us: ' + ', '.join(
        f"core {core['cpu']} {core['stalls']} in {options.seconds:g} s {when}"
        for when, seen in (('before', before), ('after', after)) for core in seen or [])
    bare = summary(results['raw bounce'], lambda r: r['delay']['p50'])
    p50 = summary(mine, lambda r: r['delay']['p50'])
    yield row('one way, p50, of a raw bounce', p50, 'ns', 1.5, False, {'raw bounce': bare}, 'raw bounce', note)
    yield row('one way, p99.9, of p50, runs without a stall', summary(still, lambda r: r['delay']['p999']), 'ns', 10,
              False, {'p50': summary(still, lambda r: r['delay']['p50'])}, 'p50',
              f'{len(still)} of {len(mine)} runs had no stall')


def g11(options):
    first, both = options.cores[:1], options.cores
    seconds = options.seconds

    def null(cores):
        def once():
            with contextlib.ExitStack() as stack:
                return parts.null_io(options, cores, stack, seconds)
        return once
    found = parts.in_turn(options, {
        'one worker': lambda: parts.load(options, 'pair', seconds, *first),
        'two workers': lambda: parts.load(options, 'pair', seconds, *both),
        'one testpmd': null(first), 'two testpmd': null(both)})
    t = {label: summary(results, lambda r: r['together']) for label, results in found.items()}
    gain = {}
    for who in ('worker', 'testpmd'):
        one, two = t[f'one {who}'], t[f'two {who}s' if who == 'worker' else f'two {who}']
        gain[who] = constant(two['median'] / one['median']) if one and two else None
    yield row('two workers against one, of two testpmd against one', gain['worker'], 'times', 0.95, True,
              {'testpmd': gain['testpmd']}, 'testpmd',
              '; '.join(f"{label} {spread(total, 'packets/s')}" for label, total in t.items()))


def g12(options):
    found, = parts.micro(options, 'receive_core_bench', '^receive_sessions/sessions:(1|1000)/', 'tsc')
    one = {'1 session': found.get('receive_sessions/sessions:1/run:1')}
    for run, how in (('1', 'round-robin'), ('8', 'runs of 8')):
        yield row(f'1,000 sessions, {how}, ticks a packet, of 1 session',
                  found.get(f'receive_sessions/sessions:1000/run:{run}'), 'ticks', 1.3, False, one, '1 session')


def g13(options):
    kinds = ('', 'truncated', 'wrong checksum', 'unknown session', 'far ahead', 'foreign source', 'duplicate',
             'unknown protocol')
    cost, kept = parts.micro(options, 'receive_core_bench', '^receive_hostile/', 'refused/good', 'kept')
    for name, value in cost.items():
        kind = kinds[int(name.split(':')[-1])]
        yield row(f'{kind}: a refused packet, of a good one', value, 'times', 1, False)
        yield row(f'{kind}: share of 5 M good packets/s kept', kept.get(name), 'share', 0.9, True)


def g14(options):
    found = parts.in_turn(options, {'lines': lambda: parts.load(options, 'lines', options.seconds, 8,
                                                                options.cores[0])})['lines']
    wanted = found[0].get('wanted', 0)
    yield row('8 lines, both sides, of the messages', summary(found), 'messages/s', 0.99, True,
              {'wanted': constant(wanted)}, 'wanted')
    yield row('8 lines, both sides, share of a core', summary(found, lambda r: r['share']), 'share', 1, False)


def g15(options):
    s = Scenario('kernel', 1400, udp=UDP, seconds=options.seconds)
    t = totals(options, {'fanfare embedded': ('fanfare embedded', s), 'kernel udp gso': ('kernel udp gso', s),
                         'openpgm udp': ('openpgm udp', s),
                         'packed': ('fanfare embedded', s.but(size=64, mode='packed'))})
    beside = {name: t[name] for name in ('kernel udp gso', 'openpgm udp')}
    yield row('1400 octets, of kernel UDP with GSO', t['fanfare embedded'], 'messages/s', 0.4, True, beside,
              'kernel udp gso')
    yield row('1400 octets, of OpenPGM over UDP', t['fanfare embedded'], 'messages/s', 8, True, beside, 'openpgm udp')
    yield row('64 octets, packed', t['packed'], 'messages/s', 10 * M)


GOALS = {
    'G1': ('receive core', g1), 'G2': ('send core', g2), 'G3': ('AF_XDP, one message a packet', g3),
    'G4': ('AF_XDP, packed and stream', g4), 'G5': ('memif', g5), 'G6': ('readers on one host', g6),
    'G7': ('parity', g7), 'G8': ('delay under loss', g8), 'G9': ('rate under loss', g9), 'G10': ('one-way latency', g10),
    'G11': ('two workers', g11), 'G12': ('many sessions', g12), 'G13': ('hostile packets', g13),
    'G14': ('lines of a real feed', g14), 'G15': ('kernel port', g15),
}


def measure(options, names, rows):
    """Appends the rows of these goals; a goal that can't be measured here gives one row that says why."""
    for name in names:
        title, function = GOALS[name]
        print(f'== {name} {title}', flush=True)
        try:
            found = list(function(options))
        except (BenchError, KeyError, statistics.StatisticsError) as problem:
            found = [row(title, None, '', 0, note=str(problem))]
        for r in found:
            r['goal'], r['figure'], r['reached'] = name, figure(r), reached(r)
            rows.append(r)
            print('    ' + told(r), flush=True)


def amount(value, unit):
    if value is None:
        return '-'
    if unit in ('packets/s', 'messages/s'):
        return f'{value / M:.3g} M/s'
    if unit == 'ns':
        return f'{value / 1e3:.3g} us'
    return f'{value:.3g} {unit}'.strip()


def spread(total, unit):
    if total is None:
        return 'no run succeeded'
    if total['runs'] == 1:
        return amount(total['median'], unit)
    return f"{amount(total['median'], unit)} ({amount(total['least'], unit)} to {amount(total['most'], unit)})"


def wanted(r):
    unit = '' if r['ratio_to'] else r['unit']
    return f"{'at least' if r['at_least'] else 'at most'} {amount(r['wanted'], unit)}"


def told(r):
    ratio = f", ratio {r['figure']:.3g}" if r['ratio_to'] and r['figure'] is not None else ''
    beside = ', '.join(f"{label} {spread(total, r['unit'])}" for label, total in r['beside'].items())
    note = f"  [{r['note']}]" if r['note'] else ''
    return (f"{r['what']}: {spread(r['value'], r['unit'])}{ratio}; wanted {wanted(r)}: {verdict(r)}"
            f"{'; beside: ' + beside if beside else ''}{note}")

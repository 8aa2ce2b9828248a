"""Named rows of points for the plots and the table: each a list of (title, label -> (subject, scenario)). In the short
form (`quick`) a row keeps its ends."""
from harness.scenario import Scenario

SIZES = (32, 64, 288, 1344)
FANFARE = ('fanfare embedded', 'fanfare daemon')
KERNEL_PEERS = ('openpgm', 'zmq epgm', 'norm', 'kernel udp')


def _ends(values, quick):
    return (values[0], values[-1]) if quick else values


def sizes(kind, peers):
    """Throughput by size: one message a packet, packed, stream; the wire's limit and the peers in the same run."""
    def rows(quick):
        for size in _ends(SIZES, quick):
            s = Scenario(kind, size)
            cases = {name: (name, s) for name in FANFARE}
            if size < 700:
                cases['fanfare embedded, packed'] = ('fanfare embedded', s.but(mode='packed'))
                cases['fanfare daemon, packed'] = ('fanfare daemon', s.but(mode='packed'))
                cases['fanfare embedded, stream'] = ('fanfare embedded', s.but(mode='stream'))
            cases |= {name: (name, s) for name in ('testpmd', *peers)}
            yield f'{size} bytes', cases
    return rows


def loss(quick):
    """Throughput of 1400-byte messages under loss."""
    for percent in _ends((0, 1, 2, 5, 10), quick):
        s = Scenario('af_xdp', 1400, loss=percent)
        yield f'{percent} % loss', {name: (name, s) for name in (*FANFARE, 'openpgm')}


def readers(quick):
    """Readers on the receiving host, packed 100-byte messages at a rate that one core's readers can check."""
    for count in _ends((1, 2, 4, 8), quick):
        s = Scenario('af_xdp', 100, 'packed', readers=count, rate_mbit=200)
        yield f'{count} readers', {name: (name, s) for name in FANFARE}


def sessions(quick):
    """Sessions side by side, packed 100-byte messages, windows of 1 MiB."""
    for count in _ends((1, 10, 100, 1000), quick):
        s = Scenario('memif', 100, 'packed', sessions=count, window_mib=1)
        yield f'{count} sessions', {'fanfare embedded': ('fanfare embedded', s)}


def workers(quick):
    """One and two workers a daemon, as many sessions."""
    for count in (1, 2):
        s = Scenario('af_packet', 1400, workers=count, sessions=2, window_mib=16)
        yield f'{count} workers', {'fanfare daemon': ('fanfare daemon', s)}


def latency(quick):
    """One-way delays at a fixed rate, 64 octets; the intended send time stands in the message."""
    for kind, pace in (('memif', 50000), ('af_xdp', 20000)):
        s = Scenario(kind, 64, pace=pace)
        yield f'{kind}, {pace}/s', {name: (name, s) for name in (FANFARE if kind == 'af_xdp' else FANFARE[:1])}
    s = Scenario('af_xdp', 64, pace=20000, loss=1)
    yield 'af_xdp, 20000/s, 1 % loss', {name: (name, s) for name in FANFARE}


def tiny(quick):
    """Every subject once, and every mode: a look whether all of it works here."""
    s = Scenario('af_xdp', 64, window_mib=8)
    yield 'veth', {name: (name, s) for name in (*FANFARE, 'testpmd', *KERNEL_PEERS)}
    yield 'packed', {name: (name, s.but(mode='packed')) for name in FANFARE}
    m = s.but(wire='memif')
    yield 'memif', {'message': ('fanfare embedded', m.but(readers=2)), 'stream': ('fanfare embedded', m.but(mode='stream')),
                    'sessions': ('fanfare embedded', m.but(sessions=10, window_mib=1)),
                    'loss': ('fanfare embedded', m.but(size=1400, loss=1, rate_mbit=2000, window_mib=64)),
                    'testpmd': ('testpmd', m)}


def smoke(quick):
    """A few runs for the test suite: both forms of Fanfare, a peer, a paced feed."""
    # A rate that a window outlasts wherever a busy machine keeps a program off its core for a tenth of a second.
    s = Scenario('af_xdp', 64, 'packed', window_mib=8, rate_mbit=200)
    yield 'veth', {**{name: (name, s) for name in FANFARE}, 'openpgm': ('openpgm', s)}
    m = s.but(wire='memif', mode='message')
    yield 'memif', {'stream': ('fanfare embedded', m.but(mode='stream')),
                    'paced': ('fanfare embedded', m.but(pace=5000))}


SWEEPS = {
    'af_xdp sizes': sizes('af_xdp', KERNEL_PEERS),
    'af_packet sizes': sizes('af_packet', ()),
    'memif sizes': sizes('memif', ()),
    'loss': loss,
    'readers': readers,
    'sessions': sessions,
    'workers': workers,
    'latency': latency,
    'tiny': tiny,
    'smoke': smoke,
}

"""Sessions across multicast routers: two subnets, FRR's pimd at each, a link between them that loses packets. Joined
any-source and source-specific, raw IP and in UDP, sources and receivers on both sides; every octet is compared, and
after the last leave nobody forwards the group any more."""

import sys

from harness import frr, suite
from harness.daemon import Daemon
from harness.process import wait_until
from harness.transfer import digest, make_file

BYTES = suite.BYTES // 16
LOSS_PERCENT = 1
PORT = 7500
# Routers take some seconds to make a tree when the first packets come: all is kept for longer than that, and whoever
# hears of the session before it moves on starts at its first number.
PACE = ('--rate', '20', '--window-ms', '10000')


class Routers(suite.HostTest):
    def setUp(self):
        super().setUp()
        # near - r1 - (loses) - r2 - far; the rendezvous point of any-source trees is r1.
        self.near, self.far = self.make_network(), self.make_network()
        self.routers = [frr.Router(self, name, '10.76.0.1') for name in ('r1', 'r2')]
        one, two = self.routers
        one.plug(self.near, '10.77.0.254/24')
        two.plug(self.far, '10.78.0.254/24')
        self.middle = one.wire(two, '10.76.0.1/30', '10.76.0.2/30')
        one.route('10.78.0.0/24', '10.76.0.2')
        two.route('10.77.0.0/24', '10.76.0.1')
        for router in self.routers:
            router.start()
        self.hosts = [self.near.host('near1', '10.77.0.1/24'), self.near.host('near2', '10.77.0.2/24'),
                      self.far.host('far1', '10.78.0.1/24'), self.far.host('far2', '10.78.0.2/24')]
        self.daemons = [Daemon(self, host) for host in self.hosts]
        for router in self.routers:
            router.await_neighbours(1)
        for router, device in zip(self.routers, self.middle):
            router.lose(device, LOSS_PERCENT)

    def shows(self):
        return '\n'.join(r.show('show ip mroute') for r in self.routers)

    def await_tree(self, source, group, forwards, seconds=40):
        """Waits until both routers do, or none does, forward the source's packets of the group; by the kernel's table,
        and FRR's says the same."""
        def settled():
            return all(bool(r.forwarded(source, group)) == forwards and (forwards or not r.ways_out(group))
                       for r in self.routers)
        self.assertTrue(wait_until(settled, seconds, step=0.2),
                        f'{source} to {group} {"is not" if forwards else "is still"} forwarded:\n{self.shows()}')
        print(self.shows(), flush=True)

    def cross(self, group, source, *, specific, udp):
        """One file from the daemon `source` to all others."""
        seed = sum(map(ord, f'{group}{source}{udp}'))
        sender = self.hosts[source].address
        path = self.folder / 'input'
        expected = make_file(path, BYTES, seed)
        form = ('--udp', '7600') if udp else ()
        only = ('--source', sender) if specific else ()
        subs = []
        for number, daemon in enumerate(self.daemons):
            if number != source:
                out = self.folder / f'{number}.out'
                subs.append((daemon.subscribe(f'{group}:{PORT}', out, *form, *only), out))
        before = [router.lost() for router in self.routers]
        self.await_membership(group, source)
        pub = self.daemons[source].publish(f'{group}:{PORT}', path, *PACE, *form)
        self.await_tree(sender, group, True)
        self.assertEqual(pub.wait(120), 0, pub.text())
        for sub, out in subs:
            self.assertEqual(sub.wait(60), 0, f'{sub.text()}\n{self.shows()}')
            self.assertEqual(digest(out), expected, f'{sub.label}: {out.stat().st_size} octets differ')
        lost = [router.lost() - was for router, was in zip(self.routers, before)]
        self.assertGreater(sum(lost), 0, 'the middle link lost nothing')
        self.await_tree(sender, group, False)

    def await_membership(self, group, source):
        """The routers of the receivers' subnets know of them by IGMP."""
        for router in self.routers:
            self.assertTrue(wait_until(lambda: group in router.show('show ip igmp groups'), 10),
                            f'{router.name} heard no report: {router.show("show ip igmp groups")}')

    def both_ways(self, groups, **how):
        """Groups of their own: a router remembers for a minute that it need not tell the rendezvous point of a source."""
        self.cross(f'{groups}.1', 0, **how)
        self.cross(f'{groups}.2', 2, **how)

    def test_any_source_raw(self):
        self.both_ways('239.77.1', specific=False, udp=False)

    def test_any_source_in_udp(self):
        self.both_ways('239.77.2', specific=False, udp=True)

    def test_source_specific_raw(self):
        self.both_ways('232.77.1', specific=True, udp=False)

    def test_source_specific_in_udp(self):
        self.both_ways('232.77.2', specific=True, udp=True)


if __name__ == '__main__':
    reason = frr.missing()
    if reason:
        print(f'SKIPPED: {reason}')
        sys.exit(suite.SKIPPED)
    suite.main()

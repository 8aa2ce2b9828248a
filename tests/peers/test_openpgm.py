"""OpenPGM and Fanfare in both directions, raw IP and UDP, 1 % lost in each direction of repair, every octet checked."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'hosts'))

from harness import packets, suite
from harness.daemon import Daemon
from peers import OPENPGM_PEER, PROGRAMS, PeerTest, digest

COUNT = int(os.environ.get('FANFARE_TEST_MESSAGES', '50000'))
GROUP, PORT, UDP = '239.192.7.1', 7500, 7600
RATE = 8_000_000  # octets a second


class OpenPgm(PeerTest):
    def two_hosts(self, udp, kind='af_xdp'):
        network = self.make_network()
        self.peer_host = network.host('peer', '10.77.0.1/24', kernel=True)
        self.our_host = network.host('ours', '10.77.0.2/24', kernel=kind == 'kernel')
        self.daemon = Daemon(self, self.our_host, kind=kind)
        for host in (self.peer_host, self.our_host):
            host.cable.lose(1)
            # NAKs are few: one at least, and one repair, are sure to be lost.
            host.cable.drop_first(1, packets.NAK, udp_port=udp)
            host.cable.drop_first(1, packets.RDATA, udp_port=udp)

    def expect_loss_both_ways(self):
        for host in (self.peer_host, self.our_host):
            self.assertGreater(host.cable.dropped(), 0, f'nothing from {host.name} was lost')

    def fanfare_receives(self, longest, udp=0, kind='af_xdp'):
        self.two_hosts(udp, kind)
        form = ('--udp', str(udp)) if udp else ()
        got = self.folder / 'got'
        sub = self.daemon.subscribe(f'{GROUP}:{PORT}', got, '--count', str(COUNT), '--separator', '\n', *form)
        sender = self.peer(OPENPGM_PEER, 'send', self.peer_host.address, GROUP, PORT, '--count', COUNT, '--longest', longest,
                           '--rate', RATE, *form, host=self.peer_host)
        self.assertEqual(sub.wait(120), 0, sub.text())
        self.assertEqual(sender.wait(60), 0, sender.text())
        self.assertEqual(digest(got), digest(self.expected_file(COUNT, longest, '--separator')))
        self.expect_loss_both_ways()

    def fanfare_sends(self, longest, udp=0, kind='af_xdp'):
        self.two_hosts(udp, kind)
        form = ('--udp', str(udp)) if udp else ()
        receiver = self.peer(OPENPGM_PEER, 'receive', self.peer_host.address, GROUP, PORT, '--count', COUNT,
                             '--longest', longest, '--lines', *form, host=self.peer_host)
        receiver.expect_line('ready', 10)
        # OpenPGM's first NAK waits up to 50 ms and its next 200 ms: the window must outlast a few.
        pub = self.daemon.publish(f'{GROUP}:{PORT}', self.expected_file(COUNT, longest, '--lines'), '--lines',
                                  '--profile', 'openpgm', '--rate', str(RATE * 8 // 1_000_000), '--window-ms', '5000', *form)
        self.assertEqual(pub.wait(120), 0, pub.text())
        self.assertEqual(receiver.wait(60), 0, receiver.text())
        self.expect_loss_both_ways()

    def test_a_kernel_port_receives(self):
        self.fanfare_receives(1448, udp=UDP, kind='kernel')

    def test_a_kernel_port_sends(self):
        self.fanfare_sends(1448, udp=UDP, kind='kernel')

    def test_fanfare_receives_raw(self):
        self.fanfare_receives(1456)

    def test_fanfare_receives_udp(self):
        self.fanfare_receives(1448, UDP)

    def test_fanfare_sends_raw(self):
        self.fanfare_sends(1456)

    def test_fanfare_sends_udp(self):
        self.fanfare_sends(1448, UDP)


if __name__ == '__main__':
    suite.main((suite.FANFARED, suite.FANFARE, *PROGRAMS))

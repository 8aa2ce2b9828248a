"""ZeroMQ's epgm:// and Fanfare in both directions over a lossy bridge, every octet checked."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'hosts'))

from harness import packets, suite
from harness.daemon import Daemon
from peers import PROGRAMS, ZEROMQ_PEER, PeerTest, digest

COUNT = int(os.environ.get('FANFARE_TEST_MESSAGES', '50000'))
GROUP, UDP = '239.192.7.2', 7601
KILOBITS = 64_000
LONGEST = 1400


class ZeroMq(PeerTest):
    def two_hosts(self):
        network = self.make_network()
        self.peer_host = network.host('peer', '10.77.0.1/24', kernel=True)
        self.our_host = network.host('ours', '10.77.0.2/24')
        self.daemon = Daemon(self, self.our_host)
        for host in (self.peer_host, self.our_host):
            host.cable.lose(1)
            # NAKs are few: one at least, and one repair, are sure to be lost.
            host.cable.drop_first(1, packets.NAK, udp_port=UDP)
            host.cable.drop_first(1, packets.RDATA, udp_port=UDP)
        self.endpoint = f'epgm://{self.peer_host.address};{GROUP}:{UDP}'

    def expect_loss_both_ways(self):
        for host in (self.peer_host, self.our_host):
            self.assertGreater(host.cable.dropped(), 0, f'nothing from {host.name} was lost')

    def test_fanfare_receives_what_a_pub_sends(self):
        self.two_hosts()
        got = self.folder / 'got'
        sub = self.daemon.subscribe(f'{GROUP}:{UDP}', got, '--zmq', '--udp', str(UDP), '--count', str(COUNT))
        pub = self.peer(ZEROMQ_PEER, 'pub', self.endpoint, '--count', COUNT, '--longest', LONGEST, '--rate', KILOBITS,
                        host=self.peer_host)
        self.assertEqual(sub.wait(120), 0, sub.text())
        self.assertEqual(pub.wait(60), 0, pub.text())
        self.assertEqual(digest(got), digest(self.expected_file(COUNT, LONGEST)))
        self.expect_loss_both_ways()

    def test_a_sub_receives_what_fanfare_sends(self):
        self.two_hosts()
        receiver = self.peer(ZEROMQ_PEER, 'sub', self.endpoint, '--count', COUNT, '--longest', LONGEST, '--parts', 0,
                             '--lines', 1, host=self.peer_host)
        receiver.expect_line('ready', 10)
        pub = self.daemon.publish(f'{GROUP}:{UDP}', self.expected_file(COUNT, LONGEST, '--lines'), '--lines', '--zmq',
                                  '--udp', str(UDP), '--profile', 'openpgm', '--rate', str(KILOBITS // 1000),
                                  '--window-ms', '5000')
        self.assertEqual(pub.wait(120), 0, pub.text())
        self.assertEqual(receiver.wait(60), 0, receiver.text())
        self.expect_loss_both_ways()


if __name__ == '__main__':
    suite.main((suite.FANFARED, suite.FANFARE, *PROGRAMS))

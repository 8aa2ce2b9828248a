"""The peers against each other over the lossy bridge: what they can't do alone is no matter of Fanfare's."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'hosts'))

from harness import suite
from peers import OPENPGM_PEER, PROGRAMS, ZEROMQ_PEER, PeerTest

COUNT = 5000


class PeersAlone(PeerTest):
    def two_hosts(self):
        network = self.make_network()
        self.left = network.host('a', '10.77.0.1/24', kernel=True)
        self.right = network.host('b', '10.77.0.2/24', kernel=True)
        for host in (self.left, self.right):
            host.cable.lose(1)

    def openpgm(self, *form):
        self.two_hosts()
        receiver = self.peer(OPENPGM_PEER, 'receive', self.right.address, '239.192.7.1', 7500, '--count', COUNT, *form,
                             host=self.right)
        receiver.expect_line('ready', 10)
        sender = self.peer(OPENPGM_PEER, 'send', self.left.address, '239.192.7.1', 7500, '--count', COUNT, *form, host=self.left)
        self.assertEqual(receiver.wait(60), 0, receiver.text())
        self.assertEqual(sender.wait(60), 0, sender.text())
        self.assertGreater(self.left.cable.dropped(), 0)

    def test_openpgm_repairs_over_raw_ip(self):
        self.openpgm()

    def test_openpgm_repairs_over_udp(self):
        self.openpgm('--udp', 7600)

    def endpoint(self, host):
        return f'epgm://{host.address};239.192.7.2:7601'

    def test_zeromq_repairs(self):
        self.two_hosts()
        receiver = self.peer(ZEROMQ_PEER, 'sub', self.endpoint(self.right), '--count', COUNT, host=self.right)
        receiver.expect_line('ready', 10)
        sender = self.peer(ZEROMQ_PEER, 'pub', self.endpoint(self.left), '--count', COUNT, host=self.left)
        self.assertEqual(receiver.wait(60), 0, receiver.text())
        self.assertEqual(sender.wait(60), 0, sender.text())


if __name__ == '__main__':
    suite.main(PROGRAMS)

"""How long a repaired message is late: recorded, never judged by the clock; only completeness is judged."""

import os

from harness import suite
from harness.transfer import GROUP, TransferTest

PER_SECOND = 20_000
COUNT = int(os.environ.get('FANFARE_TEST_FEED', str(PER_SECOND * 10)))


class Repair(TransferTest):
    def test_a_feed_with_one_percent_loss_is_complete(self):
        self.make_hosts(1)
        self.sender.cable.lose(1)
        self.receivers[0].cable.lose(1)
        path = self.outputs()[0]
        sub = self.subscribers[0].subscribe(GROUP, path, '--feed-check')
        pub = self.publisher.tool('pub', GROUP, '--feed', f'{PER_SECOND},{COUNT}')
        self.assertEqual(pub.wait(suite.SECONDS), 0, pub.text())
        self.assertEqual(sub.wait(60), 0, sub.text())
        said = path.read_text() + sub.text()
        print('\n' + said.strip(), flush=True)
        self.expect_loss(COUNT // 1000)
        self.assertRegex(said, rf'\b{COUNT}\b')

    def full_size(self, octets, *form):
        """Full packets of every kind through MTU 1500: first sending, repair with Router Alert, fragments."""
        self.make_hosts(1)
        self.sender.cable.lose(5)
        before = self.sender.cable.dropped()
        self.move(4 << 20, publish=('--message', str(octets), *form), subscribe=form)
        self.assertGreater(self.sender.cable.dropped(), before)

    def test_full_size_messages_are_repaired_raw(self):
        self.full_size(1452)

    def test_full_size_messages_are_repaired_udp(self):
        self.full_size(1444, '--udp', '7600')

    def test_full_size_fragments_are_repaired(self):
        self.full_size(65535)


if __name__ == '__main__':
    suite.main()

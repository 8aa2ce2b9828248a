"""Parity between real daemons: what it saves in requests, and that nothing else changes."""

import json
import os

from harness import suite
from harness.daemon import numbers
from harness.transfer import GROUP, PACE, TransferTest, digest

SIZE = suite.size_from(os.environ.get('FANFARE_TEST_PARITY', '32m'))
LOSS = 5


class Parity(TransferTest):
    def transfer(self, *publish):
        """Moves the file to one subscriber whose cable loses; what the subscriber's session counted."""
        path, report = self.outputs()[0], self.folder / 'report'
        sub = self.subscribers[0].subscribe(GROUP, path, '--report', report)
        pub = self.publisher.publish(GROUP, self.input, *PACE, *publish)
        self.assertEqual(pub.wait(suite.SECONDS), 0, pub.text()[-400:])
        self.assertEqual(sub.wait(suite.SECONDS), 0, sub.text()[-400:])
        self.assertEqual(digest(path), self.digest, f'{publish}: {path.stat().st_size} octets differ')
        return json.loads(report.read_text())

    def start(self, size):
        self.make_hosts(1)
        self.file(size)
        self.receivers[0].cable.lose(LOSS, towards=True)

    def test_two_parity_packets_for_eight_save_nineteen_of_twenty_requests(self):
        self.start(SIZE)
        without = self.transfer()
        with_parity = self.transfer('--fec', '8,2')
        print(f'{SIZE} octets, {LOSS} % loss: {without["naks_sent"]} NAKs without parity, '
              f'{with_parity["naks_sent"]} with 8,2', flush=True)
        self.expect_loss(SIZE // 1452 // 40)
        self.assertEqual(with_parity['parity_naks_sent'], 0)
        self.assertGreaterEqual(without['naks_sent'], 20 * with_parity['naks_sent'])

    def test_parity_on_demand_is_asked_for_by_group(self):
        self.start(4 << 20)
        report = self.transfer('--fec', '16,0,on-demand')
        self.expect_loss(100)
        # A source that a busy machine keeps waiting may be asked for single packets in the end.
        self.assertGreater(report['parity_naks_sent'], report['naks_sent'])
        shown = self.publisher.status()
        self.assertGreater(numbers(shown, 'parity_repairs_sent'), 0)
        self.assertEqual(numbers(shown, 'parity_group'), 16)

    def test_messages_fragments_and_packed_messages_come_out_of_parity(self):
        self.start(2 << 20)
        for form in (('--message', '700'), ('--message', '9000'), ('--message', '60', '--pack')):
            report = self.transfer('--fec', '8,1,on-demand', *form)
            self.assertGreater(report['parity_naks_sent'], report['naks_sent'], form)


if __name__ == '__main__':
    suite.main()

"""Many readers of one session on one host, and one that stops reading."""

import hashlib
import signal
import subprocess

from harness import suite
from harness.process import wait_until
from harness.transfer import GROUP, PACE, TransferTest, digest


class Readers(TransferTest):
    def test_eight_readers_of_one_host_get_the_same(self):
        self.make_hosts(1)
        self.sender.cable.lose(1)
        self.file(suite.BYTES // 2)
        paths = [self.folder / f'reader{i}' for i in range(8)]
        subs = [self.subscribers[0].subscribe(GROUP, path) for path in paths]
        pub = self.publisher.publish(GROUP, self.input, *PACE)
        self.assertEqual(pub.wait(suite.SECONDS), 0, pub.text())
        for sub, path in zip(subs, paths):
            self.assertEqual(sub.wait(60), 0, sub.text())
            self.assertEqual(digest(path), self.digest)
        self.expect_loss()

    def test_readers_on_the_sending_host_get_it_too(self):
        self.make_hosts(1)
        self.file(suite.BYTES // 4)
        local = self.folder / 'local'
        here = self.publisher.subscribe(GROUP, local)
        subs = self.listen()
        pub = self.publisher.publish(GROUP, self.input, *PACE)
        self.expect_equal(subs, pub)
        self.assertEqual(here.wait(60), 0, here.text())
        self.assertEqual(digest(local), self.digest)

    def test_a_reader_that_stops_is_reset_and_the_others_go_on(self):
        self.make_hosts(1)
        self.file(max(suite.BYTES, 64 << 20))  # several times the receive window
        good, stopped = self.folder / 'good', self.folder / 'stopped'
        first = self.subscribers[0].subscribe(GROUP, good)
        second = self.subscribers[0].subscribe(GROUP, stopped, '--buffer', '65536')
        pub = self.publisher.publish(GROUP, self.input, *PACE)
        self.assertTrue(wait_until(lambda: stopped.stat().st_size > 1_000_000, 20), 'nothing arrives')
        second.signal(signal.SIGSTOP)
        self.assertEqual(pub.wait(suite.SECONDS), 0, pub.text())
        self.assertEqual(first.wait(60), 0, first.text())
        self.assertEqual(digest(good), self.digest)
        second.signal(signal.SIGCONT)
        self.assertEqual(second.wait(30), 1, second.text())
        self.assertIn('too slow', second.text())
        # What it did get is a true beginning of the file.
        size = stopped.stat().st_size
        with open(self.input, 'rb') as sent, open(stopped, 'rb') as got:
            self.assertEqual(sent.read(size), got.read())

    def test_a_stalled_pipe_costs_no_session(self):
        """`sub` buffers what its own reader does not take at once."""
        self.make_hosts(1)
        self.file(suite.BYTES // 2)
        sub = self.subscribers[0].tool('sub', GROUP, stdout=subprocess.PIPE)
        self.subscribers[0].await_listener(sub)
        pub = self.publisher.publish(GROUP, self.input, *PACE)
        self.assertEqual(pub.wait(suite.SECONDS), 0, pub.text())
        got = hashlib.sha256()
        while block := sub.popen.stdout.read(1 << 20):
            got.update(block)
        self.assertEqual(sub.wait(30), 0, sub.text())
        self.assertEqual(got.hexdigest(), self.digest)


if __name__ == '__main__':
    suite.main()

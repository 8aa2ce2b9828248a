"""A session's beginning loses nothing, its end tells the truth."""

import signal
import subprocess

from harness import packets, suite
from harness.daemon import Daemon
from harness.process import wait_until
from harness.transfer import GROUP, TransferTest, digest


class StartAndEnd(TransferTest):
    def test_the_first_three_odata_may_be_lost_raw(self):
        self.first_three(())

    def test_the_first_three_odata_may_be_lost_udp(self):
        self.first_three(('--udp', '7600'))

    def first_three(self, form):
        self.make_hosts(2)
        self.sender.cable.drop_first(3, packets.ODATA, udp_port=7600 if form else 0)
        self.move(1 << 20, publish=('--message', '1400', *form), subscribe=form)
        self.assertEqual(self.sender.cable.dropped(), 3)

    def start_endless(self, *options):
        """A pub that is given octets as fast as it takes them and never an end."""
        feed = self.keep_feed()
        return self.publisher.tool('pub', GROUP, '--rate', '20', *options, stdin=feed.stdout)

    def keep_feed(self):
        feed = subprocess.Popen(['cat', '/dev/zero'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(feed.wait)
        self.addCleanup(feed.stdout.close)
        self.addCleanup(feed.kill)
        return feed

    def await_output(self, octets=100_000):
        for path in self.outputs():
            self.assertTrue(wait_until(lambda: path.stat().st_size > octets, 20), f'{path} stays empty')

    def expect_resets(self, subs, seconds=30):
        for sub in subs:
            self.assertEqual(sub.wait(seconds), 1, sub.text())
            lines = [line for line in sub.text().splitlines() if line.strip()]
            self.assertIn('reset', lines[-1].lower(), sub.text())

    def test_killing_pub_in_mid_file_ends_every_sub_with_status_one(self):
        self.make_hosts(3)
        subs = self.listen()
        pub = self.start_endless()
        self.await_output()
        pub.signal(signal.SIGKILL)
        self.expect_resets(subs)

    def test_interrupting_pub_in_mid_file_ends_every_sub_with_status_one(self):
        self.make_hosts(2)
        subs = self.listen()
        pub = self.start_endless()
        self.await_output()
        pub.signal(signal.SIGINT)
        self.assertNotEqual(pub.wait(10), 0)
        self.expect_resets(subs)

    def test_what_was_lost_is_repaired_after_pub_has_exited(self):
        self.make_hosts(1)
        first, second = b'a' * 200_000, b'b' * 200_000
        subs = self.listen()
        pub = self.publisher.tool('pub', GROUP, '--rate', '100', '--window-ms', '5000', stdin=subprocess.PIPE)
        pub.popen.stdin.write(first)
        pub.popen.stdin.flush()
        self.await_output(100_000)
        self.receivers[0].cable.lose(100, towards=True)
        pub.popen.stdin.write(second)
        pub.popen.stdin.close()
        self.assertEqual(pub.wait(20), 0, pub.text())
        self.receivers[0].cable.heal()
        self.input = self.folder / 'both'
        self.input.write_bytes(first + second)
        self.digest = digest(self.input)
        self.expect_equal(subs, seconds=30)

    def test_a_subscriber_that_comes_late_is_told(self):
        self.make_hosts(1)
        early = self.listen()
        pub = self.start_endless('--message', '1000', '--window-ms', '200')
        self.await_output(1_000_000)
        other = self.folder / 'late.out'
        # A host that had nobody listening: its daemon meets the session in its middle.
        host = self.network.host('late', '10.77.0.99/24')
        late = Daemon(self, host)
        sub = late.subscribe(GROUP, other)
        sub.expect_line('joined late at', 20)
        pub.signal(signal.SIGKILL)
        self.expect_resets([*early, sub])

    def test_link_loss_longer_than_the_window_resets_with_a_cause(self):
        self.make_hosts(1)
        subs = self.listen()
        pub = self.start_endless('--window-ms', '200')
        self.await_output()
        self.receivers[0].cable.lose(100, towards=True)
        self.assertFalse(wait_until(lambda: not subs[0].running(), 1))
        self.receivers[0].cable.heal()
        self.expect_resets(subs)
        pub.stop()


if __name__ == '__main__':
    suite.main()

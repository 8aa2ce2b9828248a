"""Whatever dies, at whatever moment, everybody else goes on."""

import random
import signal
import subprocess
import time

from harness import suite
from harness.daemon import Daemon
from harness.process import wait_until
from harness.transfer import GROUP, TransferTest

ROUNDS = 20
SEED = 20_261_121


class Death(TransferTest):
    def endless(self, daemon, group):
        feed = subprocess.Popen(['cat', '/dev/zero'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(feed.wait)
        self.addCleanup(feed.stdout.close)
        self.addCleanup(feed.kill)
        return daemon.tool('pub', group, '--rate', '10', stdin=feed.stdout)

    def daemon_ends(self, number):
        self.make_hosts(1)
        sub = self.listen()[0]
        pub = self.endless(self.publisher, GROUP)
        path = self.outputs()[0]
        self.assertTrue(wait_until(lambda: path.stat().st_size > 100_000, 20), 'nothing arrives')
        for daemon, client in ((self.subscribers[0], sub), (self.publisher, pub)):
            daemon.process.signal(number)
            self.assertEqual(client.wait(10), 1, client.text())
            words = client.text().strip().splitlines()
            self.assertEqual(len([line for line in words if 'daemon' in line]), 1, client.text())
            daemon.process.wait(10)
        # Whatever was left behind, both come back at once and carry a file.
        for daemon in (self.subscribers[0], self.publisher):
            daemon.start()
        self.move(1 << 20)

    def test_clients_of_a_killed_daemon_get_one_clear_error_and_it_starts_again(self):
        self.daemon_ends(signal.SIGKILL)

    def test_clients_of_a_stopped_daemon_get_one_clear_error_and_it_starts_again(self):
        self.daemon_ends(signal.SIGTERM)

    def test_killing_clients_at_any_moment_disturbs_nobody_else(self):
        """A file crosses while other clients of the same daemons are killed at moments drawn from a seed."""
        print(f'seed {SEED}', flush=True)
        source = random.Random(SEED)
        self.make_hosts(1)
        self.file(suite.BYTES // 2)
        subs = self.listen()
        # As slow as the rounds need to be over before the file is.
        pub = self.publisher.publish(GROUP, self.input, '--rate', str(max(1, suite.BYTES * 8 // 2 // 20_000_000)),
                                     '--window-ms', '3000')
        for number in range(ROUNDS):
            group = f'239.77.1.{number + 1}:7500'
            client = source.choice(('pub', 'sub', 'status', 'both'))
            victims = []
            if client in ('sub', 'both'):
                victims.append(self.subscribers[0].tool('sub', group))
            if client in ('pub', 'both'):
                victims.append(self.endless(self.publisher, group))
            if client == 'status':
                victims.append(self.publisher.tool('status'))
            time.sleep(source.choice((0.001, 0.01, 0.05, 0.2, 0.5)) * source.random())
            for victim in victims:
                victim.signal(signal.SIGKILL)
            for victim in victims:
                victim.popen.wait(10)
            self.assertTrue(self.publisher.running() and self.subscribers[0].running(), f'a daemon died in round {number}')
        self.expect_equal(subs, pub)
        self.move(1 << 20)
        for daemon in (self.publisher, *self.subscribers):
            daemon.status()

    def test_a_link_that_goes_down_and_comes_back_is_repaired_or_reset(self):
        self.make_hosts(2)
        self.file(suite.BYTES // 4)
        subs = self.listen()
        pub = self.publisher.publish(GROUP, self.input, '--rate', '50', '--window-ms', '10000')
        path = self.outputs()[0]
        self.assertTrue(wait_until(lambda: path.stat().st_size > 100_000, 20), 'nothing arrives')
        self.receivers[0].cable.down()
        time.sleep(0.3)
        self.receivers[0].cable.up()
        status = subs[0].wait(suite.SECONDS)
        if status != 0:
            self.assertEqual(status, 1, subs[0].text())
            self.assertIn('interface', subs[0].text())
        # The other host noticed nothing.
        self.assertEqual(pub.wait(60), 0, pub.text())
        self.assertEqual(subs[1].wait(60), 0, subs[1].text())
        # And the daemon of the one that was away goes on.
        self.subscribers[0].status()

    def test_a_removed_interface_resets_its_sessions_and_spares_the_daemon(self):
        self.network = self.make_network()
        other = self.make_network()
        self.sender = self.network.host('pub', '10.77.0.1/24')
        both = self.network.host('sub', '10.77.0.10/24')
        second = both.plug('10.78.0.10/24', 'eth1', network=other)
        far = other.host('far', '10.78.0.1/24')
        self.publisher = Daemon(self, self.sender)
        far_publisher = Daemon(self, far)
        self.receivers, self.subscribers = [both], [Daemon(self, both)]
        sub = self.subscribers[0].subscribe('239.77.0.2:7500', self.folder / 'far.out', '--interface', '10.78.0.10')
        pub = self.endless(far_publisher, '239.77.0.2:7500')
        self.assertTrue(wait_until(lambda: (self.folder / 'far.out').stat().st_size > 100_000, 20), 'nothing arrives')
        second.remove()
        self.assertEqual(sub.wait(20), 1, sub.text())
        self.assertIn('interface', sub.text())
        self.assertTrue(self.subscribers[0].running())
        pub.stop()
        self.move(1 << 20, subscribe=('--interface', '10.77.0.10'))


if __name__ == '__main__':
    suite.main()

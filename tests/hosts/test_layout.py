"""Several interfaces, several workers, several daemons, and a bridge that asks for IGMP."""

from harness import suite
from harness.daemon import Daemon
from harness.transfer import GROUP, PACE, TransferTest, digest


class Layout(TransferTest):
    def test_two_workers_share_the_sessions(self):
        self.make_hosts(1, lcores='0,1')
        self.sender.cable.lose(1)
        self.several_sessions(4)

    def test_two_workers_over_two_queues(self):
        """AF_PACKET spreads over queues anywhere; the AF_XDP driver sees one queue of a veth, and the daemon says so."""
        self.make_hosts(1, lcores='0,1', queues=2, kind='af_packet')
        self.sender.cable.lose(1)
        self.several_sessions(4)
        feed = self.publisher.status()['interfaces'][0]
        self.assertEqual((feed['steering_raw'], feed['steering_udp']), ('hand-over', 'hand-over'))
        self.assertEqual(feed['steering_rules'], 0)

    def test_the_latency_profile_carries_a_file_through_loss(self):
        self.profile('latency')

    def test_the_throughput_profile_carries_a_file_through_loss(self):
        self.profile('throughput')

    def test_the_shared_core_profile_carries_a_file_through_loss(self):
        self.profile('shared-core')

    def profile(self, name):
        """The harness' flags for cores and idling win, as two cores carry all hosts here."""
        self.make_hosts(1, daemon=('--config', suite.ROOT / 'conf' / f'{name}.toml'))
        self.sender.cable.lose(1)
        self.move(suite.BYTES // 4)

    def several_sessions(self, count):
        """`count` sessions to groups of their own at once: source ports are random, so owners differ."""
        self.file(suite.BYTES // 8)
        groups = [f'239.77.2.{i + 1}:7500' for i in range(count)]
        paths = [self.folder / f'session{i}' for i in range(count)]
        subs = [self.subscribers[0].subscribe(group, path) for group, path in zip(groups, paths)]
        pubs = [self.publisher.publish(group, self.input, '--rate', '50', '--window-ms', '3000') for group in groups]
        for pub in pubs:
            self.assertEqual(pub.wait(suite.SECONDS), 0, pub.text())
        for sub, path in zip(subs, paths):
            self.assertEqual(sub.wait(60), 0, sub.text())
            self.assertEqual(digest(path), self.digest)

    def test_two_interfaces_carry_two_networks(self):
        self.network = self.make_network()
        other = self.make_network()
        middle = self.network.host('both', '10.77.0.1/24')
        middle.plug('10.78.0.1/24', 'eth1', network=other)
        hosts = [self.network.host('near', '10.77.0.10/24'), other.host('far', '10.78.0.10/24')]
        daemon = Daemon(self, middle)
        self.subscribers = [Daemon(self, host) for host in hosts]
        self.file(suite.BYTES // 8)
        subs = self.listen()
        pubs = [daemon.publish(GROUP, self.input, *PACE, '--interface', cable.address.split('/')[0])
                for cable in middle.cables]
        for pub in pubs:
            self.assertEqual(pub.wait(60), 0, pub.text())
        self.expect_equal(subs)

    def test_two_daemons_on_one_machine(self):
        """In one namespace, an interface each: shared memory, prefixes and sockets do not meet."""
        self.network = self.make_network()
        host = self.network.host('two', '10.77.0.1/24')
        second = host.plug('10.77.0.2/24', 'eth1')
        self.publisher = Daemon(self, host, cables=host.cables[:1], socket=self.folder / 'one.sock')
        receiver = Daemon(self, host, cables=[second], socket=self.folder / 'other.sock')
        self.subscribers = [receiver]
        host.cable.lose(1)
        self.move(suite.BYTES // 4)

    def test_a_snooping_bridge_passes_what_was_joined(self):
        self.make_hosts(2, snooping=True)
        self.move(suite.BYTES // 4)


if __name__ == '__main__':
    suite.main()

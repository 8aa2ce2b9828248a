"""Asynchronous calls through real daemons while the network loses packets, and the datagram examples.

ASYNC_PROGRAM           async_program.cpp
PRODUCER, CONSUMER      the datagram examples"""

import os
import re
import subprocess

from harness import suite
from harness.daemon import Daemon
from harness.process import Process
from harness.transfer import GROUP, TransferTest, digest

PROGRAM = os.environ.get('ASYNC_PROGRAM', str(suite.ROOT / 'build/tests/hosts/async_program'))
PRODUCER = os.environ.get('PRODUCER', str(suite.ROOT / 'build/apps/producer'))
CONSUMER = os.environ.get('CONSUMER', str(suite.ROOT / 'build/apps/consumer'))
DATAGRAMS = '239.77.0.9:7777'


class Asynchronous(TransferTest):
    def transfer(self, size, message_bytes, window_bytes, rate=200):
        """A file from one host to another in messages, by asynchronous calls at both ends, with 1 % loss both ways."""
        self.make_hosts(1)
        for cable in (self.sender.cable, self.receivers[0].cable):
            cable.lose(1)
            cable.lose(1, towards=True)
        self.file(size)
        out, = self.outputs()
        with open(out, 'wb') as to:
            receiver = self.keep(Process([PROGRAM, self.subscribers[0].socket, 'receive', GROUP], stdout=to,
                                         label='asynchronous receiver'))
        receiver.expect_line('listening', 20)
        with open(self.input, 'rb') as data:
            sender = self.keep(Process([PROGRAM, self.publisher.socket, 'send', GROUP, str(message_bytes), str(rate),
                                        str(window_bytes)], stdin=data, label='asynchronous sender'))
        self.assertEqual(sender.wait(suite.SECONDS), 0, sender.text())
        self.assertEqual(receiver.wait(suite.SECONDS), 0, receiver.text())
        self.assertEqual(digest(out), self.digest)
        messages = -(-size // message_bytes)
        self.assertIn(f'sent {messages} messages', sender.text())
        self.assertIn(f'received {messages} messages', receiver.text())
        self.expect_loss()

    def test_messages_of_one_packet(self):
        self.transfer(suite.BYTES // 4, 1400, 4 << 20)

    def test_messages_of_several_packets_through_a_small_window(self):
        """Check 96: the window is full most of the time, and sends complete after an advance, in order."""
        self.transfer(suite.BYTES // 16, 20_000, 1 << 20, rate=100)

    def test_messages_larger_than_the_window(self):
        self.transfer(suite.BYTES // 16, 3 << 20, 1 << 20, rate=100)


class Examples(suite.HostTest):
    """Checks 197 to 199: the datagram samples, on Fanfare's sockets and on the kernel's."""

    def consumer(self, *argv, before=(), host=None):
        # What it prints goes to a file; what it says of itself is captured.
        path = self.folder / f'out{len(self.kept)}'
        self.kept.append(path)
        with open(path, 'wb') as out:
            process = self.keep(Process([*before, CONSUMER, DATAGRAMS, *argv], host=host, stdout=out, label='consumer'))
        process.expect_line('listening', 20)
        return process, path

    def setUp(self):
        super().setUp()
        self.kept = []

    def test_one_datagram_from_each_interface_and_loss_is_loss(self):
        """Two interfaces at one bridge: a packet from each, with that interface's address; a source filter lets one in.
        Of many, those that the network does not lose come once and in order."""
        network = self.make_network()
        sender = network.host('a', '10.77.0.1/24')
        sender.plug('10.77.0.2/24', 'eth1')
        near, member = Daemon(self, sender, kind='af_packet'), Daemon(self, network.host('b', '10.77.0.3/24'),
                                                                      kind='af_packet')
        run = [suite.FANFARE, '--control', str(member.socket), 'run', '--datagram']
        everything, all_path = self.consumer('--interface', '10.77.0.3', '--count', '2', before=run)
        one, one_path = self.consumer('--interface', '10.77.0.3', '--source', '10.77.0.2', '--count', '1', before=run)
        small, small_path = self.consumer('--interface', '10.77.0.3', '--count', '2', '--buffer', '8', before=run)
        produce = [suite.FANFARE, '--control', str(near.socket), 'run', '--datagram', PRODUCER, DATAGRAMS, '--interface',
                   '10.77.0.1', '--interface', '10.77.0.2']
        subprocess.run([*produce, '--text', 'from both'], check=True, timeout=60)
        for process in (everything, one, small):
            self.assertEqual(process.wait(60), 0, process.text())
        self.assertEqual(sorted(all_path.read_text().splitlines()), ['10.77.0.1: from both', '10.77.0.2: from both'])
        self.assertEqual(one_path.read_text(), '10.77.0.2: from both\n')
        # A datagram that fills the buffer: its octets and no more.
        self.assertEqual(sorted(small_path.read_text().splitlines()), ['10.77.0.1: from bot', '10.77.0.2: from bot'])

        sender.cable.lose(10)
        many, many_path = self.consumer('--interface', '10.77.0.3', '--source', '10.77.0.1', before=run)
        subprocess.run([*produce, '--text', 'n', '--count', '300'], check=True, timeout=120)
        self.assertGreater(sender.cable.dropped(), 0)
        many.popen.send_signal(2)
        self.assertEqual(many.wait(60), 0, many.text())
        numbers = [int(re.fullmatch(r'10\.77\.0\.1: n (\d+)', line)[1]) for line in many_path.read_text().splitlines()]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertGreater(len(numbers), 150)
        self.assertLess(len(numbers), 300)

    def test_interfaces_are_enumerated(self):
        """On the kernel's own sockets: loopback and two cables, each datagram out of its own interface."""
        network = self.make_network()
        sender = network.host('a', '10.77.0.1/24', kernel=True)
        sender.plug('10.77.0.2/24', 'eth1')
        member = network.host('b', '10.77.0.3/24', kernel=True)
        # Both cables are at one bridge: replies are not wanted, so one kernel may have both.
        consumer, path = self.consumer('--count', '2', host=member)
        done = subprocess.run([*sender.argv([PRODUCER, DATAGRAMS, '--text', 'hello'])], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(re.findall(r'sent from (\S+)', done.stderr)), ['10.77.0.1', '10.77.0.2', '127.0.0.1'])
        self.assertEqual(consumer.wait(60), 0, consumer.text())
        self.assertEqual(sorted(path.read_text().splitlines()), ['10.77.0.1: hello', '10.77.0.2: hello'])


if __name__ == '__main__':
    suite.main()

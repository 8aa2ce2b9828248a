"""The example programs on hosts: datagrams on the kernel's own sockets, reliable multicast through two daemons."""

import os
import pathlib
import socket
import subprocess

from harness import suite
from harness.daemon import Daemon
from harness.process import Process, wait_until
from harness.wire import Capture

EXAMPLES = pathlib.Path(os.environ.get('EXAMPLES', suite.ROOT / 'build/apps'))
GROUP = '239.77.20.1'


class Samples(suite.HostTest):
    def test_datagrams_out_of_every_interface_and_shown_with_their_sender(self):
        """Checks 198 and 199."""
        first, second = self.make_network(), self.make_network()
        host = first.host('prod', '10.77.0.1/24', kernel=True)
        host.plug('10.78.0.1/24', 'eth1', network=second)
        far = first.host('cons', '10.77.0.2/24', kernel=True)
        captures = [Capture(cable) for cable in host.cables]
        for capture in captures:
            self.undo(capture.close)
        with open(self.folder / 'out', 'wb') as out:
            consumer = self.keep(Process([EXAMPLES / 'consumer', f'{GROUP}:7777', '--interface', '10.77.0.2', '--count', '2'],
                                         host=far, stdout=out))
        consumer.expect_line('listening', 10)
        producer = self.keep(Process([EXAMPLES / 'producer', f'{GROUP}:7777'], host=host))
        self.assertEqual(producer.wait(10), 0, producer.text())
        # As much as a datagram holds, which is as much as the consumer's buffer has room for.
        filler = b'x' * 65507
        program = f'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); ' \
                  f's.bind(("10.77.0.1", 0)); s.sendto(b"x" * 65507, ("{GROUP}", 7777))'
        self.keep(Process(['python3', '-c', program], host=host)).wait(10)
        self.assertEqual(consumer.wait(20), 0, consumer.text())
        self.assertEqual((self.folder / 'out').read_bytes(),
                         b'10.77.0.1: hello from Fanfare\n10.77.0.1: ' + filler + b'\n')
        for capture, source in zip(captures, ('10.77.0.1', '10.78.0.1')):
            self.assertEqual([socket.inet_ntoa(f[26:30]) for f in self.texts(capture)], [source])

    def texts(self, capture):
        """The frames that carry the producer's text to the group."""
        frames = []
        while True:
            try:
                frames.append(capture.socket.recv(65536))
            except BlockingIOError:
                break
        return [f for f in frames if f[12:14] == b'\x08\0' and f[30:34] == socket.inet_aton(GROUP) and b'hello from Fanfare' in f]

    def test_lines_by_reliable_multicast_through_loss(self):
        """Check 200."""
        network = self.make_network()
        hosts = [network.host(f'h{i}', f'10.77.0.{i + 1}/24') for i in range(2)]
        daemons = [Daemon(self, host, kind='af_packet') for host in hosts]
        hosts[1].cable.lose(3, towards=True)
        lines = b''.join(b'%d %s\n' % (n, b'z' * (n * 37 % 3000)) for n in range(2000))
        with open(self.folder / 'out', 'wb') as out:
            consumer = self.keep(Process([suite.FANFARE, '--control', daemons[1].socket, 'run', EXAMPLES / 'rm_consumer',
                                          f'{GROUP}:7500', '--sessions', '1'], stdout=out))
        consumer.expect_line('listening', 20)
        (self.folder / 'in').write_bytes(lines)
        with open(self.folder / 'in', 'rb') as data:
            producer = self.keep(Process([suite.FANFARE, '--control', daemons[0].socket, 'run', EXAMPLES / 'rm_producer',
                                          f'{GROUP}:7500', '--rate', '50000', '--window-ms', '3000'], stdin=data))
        self.assertEqual(producer.wait(60), 0, producer.text())
        self.assertEqual(consumer.wait(60), 0, consumer.text())
        got = [line.split(b': ', 1) for line in (self.folder / 'out').read_bytes().splitlines()]
        self.assertEqual(b'\n'.join(text for _sender, text in got) + b'\n', lines)
        self.assertEqual({sender.split(b':')[0] for sender, _text in got}, {b'10.77.0.1'})
        self.assertGreater(hosts[1].cable.dropped(towards=True), 10)


if __name__ == '__main__':
    suite.main()

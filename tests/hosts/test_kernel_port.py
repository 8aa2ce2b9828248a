"""Daemons on the kernel's own UDP: no card, no root; files cross them bit for bit like any other port."""

import os
import pathlib
import shutil
import tempfile

from harness import suite
from harness.daemon import Daemon, numbers
from harness.process import Process, wait_until
from harness.transfer import GROUP, TransferTest

UDP = ('--udp', '7600')
NOBODY = 65534


class KernelPort(TransferTest):
    def move_by_udp(self, size, publish=()):
        self.move(size, publish=(*UDP, *publish), subscribe=UDP)

    def lose(self, percent):
        for host in self.network.hosts:
            host.cable.lose(percent)
            host.cable.lose(percent, towards=True)

    def whole_bursts(self):
        """Bursts pass bridge and cables as one packet of up to 64 KiB, which is lost as one, too."""
        for host in self.network.hosts:
            host.namespace.run('ethtool', '-K', host.cable.device, 'tx', 'on', 'gso', 'on', 'gro', 'on')

    def test_a_file_survives_one_percent_loss(self):
        self.make_hosts(2, kind='kernel')
        self.lose(1)
        self.move_by_udp(suite.BYTES)
        self.expect_loss()

    def test_messages_survive_the_loss_of_whole_bursts(self):
        self.make_hosts(1, kind='kernel')
        self.whole_bursts()
        self.lose(10)
        # As fast as it goes, as only then there are bursts: no more than the windows at both ends hold.
        size = min(suite.BYTES, 4 << 20)
        self.file(size)
        subs = self.listen(*UDP)
        pub = self.publisher.publish(GROUP, self.input, *UDP, '--message', '1400', '--rate', '0', '--window-bytes',
                                     str(2 * size))
        self.expect_equal(subs, pub)
        self.expect_loss()
        status = self.publisher.status()
        frames, calls = numbers(status, 'frames_sent'), numbers(status, 'system_calls')
        self.assertGreater(frames, 2 * calls, 'bursts are the point')
        self.assertEqual(status['interfaces'][0]['form'], 'udp')

    def test_sessions_of_two_workers_share_one_port(self):
        self.make_hosts(1, kind='kernel', lcores='0,1')
        self.lose(1)
        for _ in range(3):
            self.move_by_udp(suite.BYTES // 8)

    def test_a_kernel_port_and_an_af_packet_port_understand_each_other(self):
        for kinds in (('kernel', 'af_packet'), ('af_packet', 'kernel')):
            with self.subTest(sender=kinds[0]):
                self.network = self.make_network()
                self.sender = self.network.host('pub', '10.77.0.1/24', kernel=kinds[0] == 'kernel')
                self.receivers = [self.network.host('sub', '10.77.0.10/24', kernel=kinds[1] == 'kernel')]
                self.publisher = Daemon(self, self.sender, kind=kinds[0])
                self.subscribers = [Daemon(self, self.receivers[0], kind=kinds[1])]
                self.lose(1)
                self.move_by_udp(suite.BYTES // 8)
                self.publisher.stop()
                self.subscribers[0].stop()

    def test_raw_sessions_are_refused_with_the_remedy(self):
        self.make_hosts(0, kind='kernel')
        for tool in ('pub', 'sub'):
            process = self.publisher.tool(tool, GROUP)
            self.assertEqual(process.wait(20), 1, process.text())
            self.assertIn('add --udp PORT', process.text())
            self.assertEqual(len(process.text().strip().splitlines()), 1, process.text())

    def test_an_interface_that_goes_down_is_seen_and_comes_back(self):
        self.make_hosts(1, kind='kernel')
        link = lambda: self.publisher.status()['interfaces'][0]['link']
        self.assertEqual(link(), 'up')
        self.sender.cable.down()
        self.assertTrue(wait_until(lambda: link() == 'down', 5))
        self.sender.cable.up()
        # The kernel took the address's routes with the link and has put them back.
        self.assertTrue(wait_until(lambda: link() == 'up', 5))
        self.move_by_udp(suite.BYTES // 16)

    def test_an_interface_that_comes_after_the_daemon_is_taken_into_use(self):
        self.network = self.make_network()
        self.sender = self.network.host('pub', '10.77.0.1/24', kernel=True)
        self.receivers = [self.network.host('sub', '10.77.0.10/24', kernel=True)]
        for host in (self.sender, *self.receivers):
            host.cable.remove()
        self.publisher = Daemon(self, self.sender, kind='kernel')
        self.subscribers = [Daemon(self, self.receivers[0], kind='kernel')]
        link = lambda daemon: daemon.status()['interfaces'][0]['link']
        for daemon in (self.publisher, *self.subscribers):
            self.assertIn('there is no kernel interface "eth0" here', daemon.process.text())
            self.assertEqual(link(daemon), 'missing')
            daemon.host.cables.clear()
            daemon.host.plug(f'{"10.77.0.1" if daemon is self.publisher else "10.77.0.10"}/24', 'eth0')
        for daemon in (self.publisher, *self.subscribers):
            self.assertTrue(wait_until(lambda: link(daemon) == 'up', 10))
        self.move_by_udp(suite.BYTES // 16)

    def test_needs_neither_root_nor_a_capability(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix='fanfare-nobody-'))
        self.undo(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.chown(folder, NOBODY, NOBODY)
        self.network = self.make_network()
        self.sender = self.network.host('pub', '10.77.0.1/24', kernel=True)
        self.receivers = [self.network.host('sub', '10.77.0.10/24', kernel=True)]
        drop = ['setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', '--no-new-privs',
                'env', f'XDG_RUNTIME_DIR={folder}']
        daemons = []
        for host in (self.sender, *self.receivers):
            daemon = Daemon.__new__(Daemon)
            daemon.test, daemon.host, daemon.socket = self, host, folder / f'{host.name}.sock'
            daemon.argv = [*drop, suite.FANFARED, '--control', daemon.socket, '--lcores', '0', '--idle', 'sleep',
                           '--interface', f'feed,{host.cable.address},kernel,iface={host.cable.device}']
            daemon.start()
            daemons.append(daemon)
        self.publisher, self.subscribers = daemons[0], daemons[1:]
        self.lose(1)
        self.move_by_udp(suite.BYTES // 8)
        self.expect_loss()

    def test_what_is_wrong_with_an_interface_is_said_in_one_line(self):
        network = self.make_network()
        host = network.host('bad', '10.77.0.1/24')  # the kernel holds no address
        process = self.keep_failing(host, 'feed,10.77.0.1/24,kernel,iface=eth0')
        self.assertIn('ip address add 10.77.0.1', process)
        self.assertIn('kernel,iface=NAME', self.keep_failing(host, 'feed,10.77.0.1/24,kernel,eth0'))

    def keep_failing(self, host, interface):
        process = self.keep(Process([suite.FANFARED, '--control', self.folder / 'x.sock', '--lcores', '0',
                                     '--interface', interface], host=host))
        self.assertEqual(process.wait(20), 1, process.text())
        self.assertEqual(len(process.text().strip().splitlines()), 1, process.text())
        return process.text()


if __name__ == '__main__':
    suite.main()

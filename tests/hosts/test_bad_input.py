"""Wrong input gets one clear line that names it, a non-zero status, and leaves nothing behind."""

import os
import pathlib
import signal
import subprocess

from harness import suite
from harness.process import Process
from harness.transfer import GROUP, TransferTest

GOOD = 'feed,10.77.0.1/24,net_af_xdp0,iface=eth0'


class BadInput(TransferTest):
    def refused(self, argv, names, host=None, seconds=30, stdin=subprocess.DEVNULL):
        """`argv` ends with a status of its own choice and one line of error that holds every word of `names`."""
        process = self.keep(Process(argv, host=host, stdin=stdin))
        self.refused_pid = process.popen.pid
        status = process.wait(seconds)
        text = process.text()
        self.assertGreater(status, 0, f'{argv} ended with {status}: {text}')
        self.assertLess(status, 128, f'{argv} died of a signal: {text}')
        lines = [line for line in text.splitlines() if line.strip()]
        self.assertEqual(len(lines), 1, f'{argv} said more or less than one line:\n{text}')
        for name in names:
            self.assertIn(name, lines[0])

    def daemon_argv(self, *argv, control='x.sock', interface=GOOD):
        return [suite.FANFARED, '--control', self.folder / control, '--lcores', '0',
                *(('--interface', interface) if interface else ()), *argv]

    def test_daemon_names_what_is_wrong_with_its_command_line(self):
        network = self.make_network()
        host = network.host('bad', '10.77.0.1/24')
        broken = self.folder / 'broken.toml'
        broken.write_text('[daemon]\ncontrol = "x"\nno_such_key = 1\n')
        unparsable = self.folder / 'unparsable.toml'
        unparsable.write_text('[daemon\n')
        table = [
            (self.daemon_argv('--no-such-flag'), ['--no-such-flag']),
            (self.daemon_argv('--idle', 'dozing'), ['idle', 'dozing']),
            (self.daemon_argv('--rx-loss', 'much'), ['rx-loss', 'much']),
            (self.daemon_argv('--rx-loss', '101'), ['101']),
            (self.daemon_argv('--role', 'king'), ['king']),
            (self.daemon_argv('--gateway', 'nobody=10.77.0.9'), ['nobody']),
            (self.daemon_argv('--config', self.folder / 'absent.toml'), ['absent.toml']),
            (self.daemon_argv('--config', self.folder), [str(self.folder), 'directory']),
            (self.daemon_argv('--', '--no-huge', '-m', '4'), ['memory', '-m']),
            (self.daemon_argv('--', '--no-such-flag'), ['--no-such-flag']),
            (self.daemon_argv('--config', broken), ['broken.toml', '3', 'no_such_key']),
            (self.daemon_argv('--config', unparsable), ['unparsable.toml', '1']),
            (self.daemon_argv(interface=None), ['interface']),
            (self.daemon_argv(interface='feed,10.77.0.1/24'), ['feed,10.77.0.1/24']),
            (self.daemon_argv(interface='feed,10.77.0.300/24,net_af_xdp0,iface=eth0'), ['10.77.0.300']),
            (self.daemon_argv(interface='feed,10.77.0.1/40,net_af_xdp0,iface=eth0'), ['40']),
            (self.daemon_argv(interface='feed,10.77.0.1/24,net_no_such_driver0'), ['net_no_such_driver0']),
            ([suite.FANFARED, '--control', self.folder / 'x.sock', '--lcores', 'many', '--interface', GOOD], ['many']),
            ([suite.FANFARED, '--control', self.folder / 'x.sock', '--lcores', '999', '--interface', GOOD], ['999']),
            ([suite.FANFARED, '--control', '/no/such/folder/x.sock', '--lcores', '0', '--interface', GOOD],
             ['/no/such/folder']),
        ]
        for argv, names in table:
            with self.subTest(' '.join(str(a) for a in argv[3:])):
                self.refused(argv, names, host=host)
                self.assertFalse((self.folder / 'x.sock').exists(), 'a socket was left behind')
                self.assertFalse(pathlib.Path(f'/var/run/dpdk/fanfare-{self.refused_pid}').exists(),
                                 'a folder of the EAL was left behind')

    def test_an_interface_that_is_down_is_named(self):
        network = self.make_network()
        host = network.host('down', '10.77.0.1/24')
        host.cable.down()
        self.refused(self.daemon_argv(), ['eth0', 'down'], host=host)

    def test_a_daemon_without_permission_says_so(self):
        network = self.make_network()
        host = network.host('user', '10.77.0.1/24')
        os.chmod(self.folder, 0o777)
        self.refused(['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--', *self.daemon_argv()],
                     ['CAP_NET_ADMIN'], host=host)

    def test_a_second_daemon_on_one_socket_is_refused_and_the_first_goes_on(self):
        self.make_hosts(1)
        other = self.network.host('other', '10.77.0.50/24')
        self.refused([suite.FANFARED, '--control', self.publisher.socket, '--lcores', '0', '--interface',
                      'feed,10.77.0.50/24,net_af_xdp0,iface=eth0'], [str(self.publisher.socket)], host=other)
        self.move(1 << 20)

    def test_an_interface_that_another_daemon_has_is_named(self):
        self.make_hosts(1)
        for driver in ('net_af_xdp0', 'net_af_packet0'):
            self.refused(self.daemon_argv(interface=f'feed,{self.publisher.host.cable.address},{driver},iface=eth0'),
                         ['eth0', f'process {self.publisher.process.pid}'], host=self.publisher.host)
        self.refused(self.daemon_argv(interface='feed,10.77.0.50/24,net_af_xdp0,iface=eth0'),
                     ['eth0', 'another fanfared'], host=self.publisher.host)
        self.move(1 << 20)

    def test_a_socket_left_by_a_dead_daemon_is_no_hindrance(self):
        self.make_hosts(1)
        for _ in range(8):  # the kernel closes a listener a little after the end, now and then
            self.publisher.process.signal(signal.SIGKILL)
            self.publisher.process.wait(10)
            self.assertTrue(self.publisher.socket.exists())
            self.publisher.start()
        self.move(1 << 20)

    def test_the_tool_names_what_is_wrong(self):
        self.make_hosts(1)
        control = self.publisher.socket
        fanfare = [suite.FANFARE, '--control', control]
        table = [
            ([suite.FANFARE, '--control', self.folder / 'absent.sock', 'status'], ['absent.sock']),
            ([suite.FANFARE, '--control', self.folder / 'absent.sock', 'sub', GROUP], ['absent.sock']),
            ([*fanfare, 'dance'], ['dance']),
            ([*fanfare, 'pub'], ['GROUP']),
            ([*fanfare, 'pub', '239.77.0.1'], ['239.77.0.1']),
            ([*fanfare, 'pub', '10.0.0.1:7500'], ['10.0.0.1']),
            ([*fanfare, 'pub', '239.77.0.1:70000'], ['70000']),
            ([*fanfare, 'pub', GROUP, '--rate', 'fast'], ['fast']),
            ([*fanfare, 'pub', GROUP, '--rate', '-5'], ['-5']),
            ([*fanfare, 'pub', GROUP, '--ttl', '300'], ['300']),
            ([*fanfare, 'pub', GROUP, '--message', '0'], ['message']),
            ([*fanfare, 'pub', GROUP, '--stream', '--lines'], ['--lines']),
            ([*fanfare, 'pub', GROUP, '--udp', '99999'], ['99999']),
            ([*fanfare, 'pub', GROUP, '--profile', 'wan'], ['wan']),
            ([*fanfare, 'pub', GROUP, '--window-bytes', 'x'], ['x']),
            ([*fanfare, 'pub', GROUP, '--interface', '10.99.0.1'], ['10.99.0.1']),
            ([*fanfare, 'sub', GROUP, '--interface', '10.99.0.1'], ['10.99.0.1']),
            ([*fanfare, 'sub', GROUP, '--source', 'someone'], ['someone']),
            ([*fanfare, 'sub', GROUP, '--sessions', '2'], ['--output']),
            ([*fanfare, 'sub', GROUP, '--sessions', '2', '--output', '/no/such/folder'], ['/no/such/folder']),
            ([*fanfare, 'sub', GROUP, '--report', '/no/such/file'], ['--report', '/no/such/file']),
            ([*fanfare, 'pub', GROUP, '--report', str(self.folder)], ['--report', 'folder']),
            ([*fanfare, 'pub', GROUP, '--rate', '100000'], ['--rate', '1073741824']),
            (['sh', '-c', f'exec {suite.FANFARE} --control {control} pub {GROUP} <&-'], ['standard input']),
            (['sh', '-c', f'exec {suite.FANFARE} --control {control} status >/dev/full'], ['standard output']),
            ([*fanfare, 'sub', '239.77.0.300:7500'], ['239.77.0.300']),
        ]
        for argv, names in table:
            with self.subTest(' '.join(str(a) for a in argv[3:])):
                self.refused(argv, names)
        self.move(1 << 20)


if __name__ == '__main__':
    suite.main()

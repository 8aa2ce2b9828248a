"""FRR's zebra and pimd as routers between networks, without an init system: one pair of daemons in each router's
namespace, everything they keep in a folder of the test."""

import itertools
import pathlib
import re
import shutil

from .network import Namespace, SetupError, command
from .process import Process, wait_until

DAEMONS = pathlib.Path('/usr/lib/frr')


def missing():
    """What keeps FRR from running here, or None."""
    if not (DAEMONS / 'pimd').exists() or shutil.which('vtysh') is None:
        return 'FRR is missing (package frr; scripts/test installs it)'
    if not pathlib.Path('/proc/net/ip_mr_vif').exists():
        return 'this kernel routes no multicast (CONFIG_IP_MROUTE)'
    return None


class Router:
    """One router: interfaces at any networks, PIM sparse mode and IGMPv3 on each.

    `rendezvous`: the address that any-source trees grow from, the same for all routers of a test; 232.0.0.0/8 is
    source-specific and needs none. start() once all interfaces are there.
    """

    def __init__(self, test, name, rendezvous):
        self.test, self.name, self.rendezvous = test, name, rendezvous
        self.namespace = Namespace(name)
        test.undo(self.namespace.delete)
        self.namespace.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
        self.folder = test.folder / name
        self.folder.mkdir()
        # FRR gives root up for its own user, who has to reach its files.
        test.folder.chmod(0o711)
        shutil.chown(self.folder, 'frr', 'frr')
        self.interfaces, self.daemons = [], {}
        self._numbers = itertools.count()

    def argv(self, argv):
        return self.namespace.argv(argv)

    def plug(self, network, address, igmp=True):
        """An interface at the bridge of `network`; returns its port there."""
        device, port = f'r{next(self._numbers)}', f'{self.name}{len(self.interfaces)}'
        self.namespace.ip('link', 'add', 'name', device, 'type', 'veth', 'peer', 'name', port)
        self.namespace.ip('link', 'set', port, 'netns', network.middle.name)
        network.middle.ip('link', 'set', port, 'master', 'bridge', 'up')
        self._up(device, address, igmp)
        return port

    def wire(self, other, own_address, address):
        """A link between two routers with nothing else on it; the device's names at both ends."""
        device, far = f'r{next(self._numbers)}', f'r{next(other._numbers)}'
        self.namespace.ip('link', 'add', 'name', device, 'type', 'veth', 'peer', 'name', far, 'netns',
                          other.namespace.name)
        self._up(device, own_address, False)
        other._up(far, address, False)
        return device, far

    def _up(self, device, address, igmp):
        self.namespace.run('sysctl', '-qw', f'net.ipv4.conf.{device}.rp_filter=0', check=False)
        # A veth hands over frames without the checksums that a card would have put in; AF_XDP takes them as they are.
        self.namespace.run('ethtool', '-K', device, 'tx', 'off', 'gso', 'off', 'gro', 'off', check=False)
        self.namespace.ip('address', 'add', address, 'dev', device)
        self.namespace.ip('link', 'set', device, 'up')
        self.interfaces.append((device, igmp))

    def route(self, prefix, via):
        self.namespace.ip('route', 'add', prefix, 'via', via)

    def lose(self, device, percent):
        """From now on this share of IPv4 frames that come in at `device` is lost before it is routed."""
        self.namespace.run('nft', '-f', '-', text_input=(
            'add table netdev fanfare\n'
            f'add chain netdev fanfare in_{device} {{ type filter hook ingress device "{device}" priority 0; }}\n'
            f'add rule netdev fanfare in_{device} ip protocol {{ 17, 113 }} '
            f'numgen random mod 10000 < {round(percent * 100)} counter drop\n'))

    def lost(self):
        listing = self.namespace.run('nft', 'list', 'ruleset', check=False)
        return sum(int(n) for n in re.findall(r'counter packets (\d+)', listing))

    def start(self, query_seconds=2):
        conf = [f'hostname {self.name}', f'ip pim rp {self.rendezvous} 224.0.0.0/4', 'ip pim join-prune-interval 5']
        for device, igmp in self.interfaces:
            conf += [f'interface {device}', ' ip pim', ' ip pim hello 1 4']
            if igmp:
                conf += [' ip igmp', ' ip igmp version 3', f' ip igmp query-interval {query_seconds}',
                         ' ip igmp query-max-response-time 10', ' ip igmp last-member-query-interval 5']
        self._daemon('zebra', f'hostname {self.name}\n')
        if not wait_until(lambda: (self.folder / 'zserv').exists(), 20):
            raise SetupError(f'zebra of {self.name} gives no socket: {self.daemons["zebra"].text()[-500:]}')
        self._daemon('pimd', '\n'.join(conf) + '\n')
        if not wait_until(lambda: (self.folder / 'pimd.vty').exists(), 20):
            raise SetupError(f'pimd of {self.name} gives no socket')

    def _daemon(self, name, text):
        config = self.folder / f'{name}.conf'
        config.write_text(text)
        # No terminal over TCP.
        self.daemons[name] = self.test.keep(Process(
            [DAEMONS / name, '-f', config, '-i', self.folder / f'{name}.pid',
             '-z', self.folder / 'zserv', '--vty_socket', self.folder, '-P', '0', '--log',
             f'file:{self.folder / name}.log'], host=self, label=f'{name} of {self.name}'))

    def show(self, *words):
        """What vtysh prints. Its sockets are files and know no network namespace."""
        return command('vtysh', '--vty_socket', self.folder, '-d', 'pimd', '-c', ' '.join(words), check=False)

    def await_neighbours(self, count, seconds=30):
        def there():
            return len(re.findall(r'^ *r\d+ +\d+\.\d+\.\d+\.\d+', self.show('show ip pim neighbor'), re.M)) >= count
        if not wait_until(there, seconds, step=0.2):
            raise SetupError(f'{self.name} found no PIM neighbour: {self.show("show ip pim neighbor")}')

    def forwarded(self, source, group):
        """Interfaces that the kernel forwards a source's packets of the group to; `pimreg`, by which a first router
        offers packets to the rendezvous point, is none of them."""
        out = set()
        for line in self.namespace.ip('mroute', 'show').splitlines():
            if re.search(rf'\({re.escape(source)}, *{re.escape(group)}\)', line) and 'Oifs:' in line:
                out |= set(re.findall(r'\br\d+\b', line.split('Oifs:')[1].split('State:')[0]))
        return out

    def ways_out(self, group):
        """The same by `show ip mroute`, of all trees of the group."""
        out, ours = set(), False
        for fields in (line.split() for line in self.show('show ip mroute').splitlines()):
            if len(fields) >= 7 and fields[1].count('.') == 3:
                ours = fields[1] == group
                fields = fields[5:]
            if ours:
                out |= {field for field in fields[:2] if re.fullmatch(r'r\d+', field)}
        return out

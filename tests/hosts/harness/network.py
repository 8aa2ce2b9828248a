"""Hosts as network namespaces, joined by a bridge that stands in a namespace of its own.

An AF_XDP port in an end host passes that kernel's packet filters by, so frames are lost on the bridge's
side of each cable, where every frame is an ordinary kernel frame: `from` a host on its way into the
bridge (everybody misses it), `towards` a host on its way out (that host alone misses it).
"""

import itertools
import os
import re
import subprocess
import time

_PREFIX = 'fft'
_numbers = itertools.count()


class SetupError(Exception):
    """The machine refused what a test needs; the text says what."""


def command(*argv, check=True, text_input=None):
    """Runs a set-up command to its end and returns its output."""
    done = subprocess.run([str(a) for a in argv], input=text_input, capture_output=True, text=True, timeout=30)
    if check and done.returncode != 0:
        raise SetupError(f"{' '.join(str(a) for a in argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def sweep_dead_runs():
    """Removes namespaces of runs whose process is gone: a run that was killed could not do it itself."""
    for line in command('ip', 'netns', 'list', check=False).splitlines():
        match = re.match(rf'({_PREFIX}(\d+)n\d+\S*)', line)
        if match and not os.path.exists(f'/proc/{match.group(2)}'):
            command('ip', 'netns', 'del', match.group(1), check=False)


class Namespace:
    """One network namespace with loopback up and IPv6 off, so that only what a test sends is on its cables."""

    def __init__(self, label):
        self.name = f'{_PREFIX}{os.getpid()}n{next(_numbers)}{label}'
        command('ip', 'netns', 'add', self.name)
        self.ip('link', 'set', 'lo', 'up')
        for scope in ('all', 'default'):
            self.run('sysctl', '-qw', f'net.ipv6.conf.{scope}.disable_ipv6=1', check=False)

    def ip(self, *argv, check=True):
        return command('ip', '-n', self.name, *argv, check=check)

    def run(self, *argv, check=True, text_input=None):
        return command(*self.argv(argv), check=check, text_input=text_input)

    def argv(self, argv):
        """The command line that runs `argv` inside; `ip netns exec` becomes the program, so its id is kept."""
        return ['ip', 'netns', 'exec', self.name, *argv]

    def delete(self):
        command('ip', 'netns', 'del', self.name, check=False)


class Cable:
    """One veth pair: `device` in the host, `port` at the bridge."""

    def __init__(self, host, network, device, address, mtu, queues, kernel):
        self.host, self.network, self.device, self.address = host, network, device, address
        self.port = f'p{next(_numbers)}'
        lanes = ['numrxqueues', queues, 'numtxqueues', queues]
        host.namespace.ip('link', 'add', 'name', device, 'mtu', mtu, *lanes, 'type', 'veth',
                          'peer', 'name', self.port, 'mtu', mtu, *lanes)
        host.namespace.ip('link', 'set', self.port, 'netns', network.middle.name)
        network.middle.ip('link', 'set', self.port, 'master', 'bridge', 'up')
        host.namespace.ip('link', 'set', device, 'up')
        # The far end may be an AF_XDP port, which gets frames as they are: nothing may be left to a card.
        host.namespace.run('ethtool', '-K', device, 'tx', 'off', 'gso', 'off', 'gro', 'off', check=False)
        if kernel:
            host.namespace.ip('address', 'add', address, 'dev', device)
            host.namespace.ip('route', 'add', '224.0.0.0/4', 'dev', device, check=False)
        self.await_carrier()

    def await_carrier(self, seconds=5):
        """The kernel tells of a carrier some time after the far end is up; before that the link is down."""
        end = time.monotonic() + seconds
        while 'state UP' not in self.host.namespace.ip('link', 'show', self.device):
            if time.monotonic() > end:
                raise SetupError(f'{self.device} of {self.host.name} has no carrier')
            time.sleep(0.01)

    def down(self):
        self.host.namespace.ip('link', 'set', self.device, 'down')

    def up(self):
        self.host.namespace.ip('link', 'set', self.device, 'up')

    def remove(self):
        self.host.namespace.ip('link', 'del', self.device)

    def lose(self, percent, towards=False):
        """From now on this share of IPv4 frames is lost, each by its own throw of the dice."""
        if percent >= 100:
            self._rule('meta protocol ip counter drop', towards)
        elif percent > 0:
            self._rule(f'meta protocol ip numgen random mod 10000 < {round(percent * 100)} counter drop', towards)

    def drop_first(self, count, pgm_type, udp_port=0, towards=False):
        """Loses the next `count` PGM packets of one type, and only these."""
        if udp_port:
            match = f'udp dport {udp_port} @th,96,8 {pgm_type:#x}'
        else:
            match = f'ip protocol 113 @th,32,8 {pgm_type:#x}'
        # A bucket that starts with `count` tokens and gets back fewer than one in the life of a test.
        self._rule(f'{match} limit rate {count}/week burst {count} packets counter drop', towards)

    def heal(self):
        for towards in (False, True):
            self.network.filter(f'flush chain netdev fanfare {self._chain(towards)}', check=False)

    def dropped(self, towards=False):
        """Frames lost so far by the rules of this direction."""
        listing = self.network.middle.run('nft', 'list', 'ruleset')
        match = re.search(rf'chain {self._chain(towards)} {{(.*?)\n\t}}', listing, re.S)
        return sum(int(n) for n in re.findall(r'counter packets (\d+)', match.group(1))) if match else 0

    def _chain(self, towards):
        return f"{'out' if towards else 'in'}_{self.port}"

    def _rule(self, rule, towards):
        hook = 'egress' if towards else 'ingress'
        chain = self._chain(towards)
        self.network.filter(
            'add table netdev fanfare\n'
            f'add chain netdev fanfare {chain} {{ type filter hook {hook} device "{self.port}" priority 0; }}\n'
            f'add rule netdev fanfare {chain} {rule}\n')


class Host:
    """One end host. `kernel` gives its addresses to the kernel; without, they are the daemon's."""

    def __init__(self, network, name, address, device, mtu, queues, kernel):
        self.network, self.name, self.kernel = network, name, kernel
        self.namespace = Namespace(name)
        self.cables = []
        self.plug(address, device, mtu, queues)

    def plug(self, address, device, mtu=1500, queues=1, network=None):
        """One more interface, at this host's network or at another one."""
        cable = Cable(self, network or self.network, device, address, mtu, queues, self.kernel)
        self.cables.append(cable)
        return cable

    @property
    def cable(self):
        return self.cables[0]

    @property
    def address(self):
        return self.cable.address.split('/')[0]

    def argv(self, argv):
        return self.namespace.argv(argv)


class Network:
    """A bridge and the hosts at it. close() takes all of it away and may be called at any moment.

    `bridge`: more of what `ip link add ... type bridge` takes.
    """

    def __init__(self, snooping=False, bridge=()):
        self.hosts = []
        self.middle = Namespace('m')
        # With snooping the bridge passes a group only where an IGMP report asked for it.
        self.middle.ip('link', 'add', 'name', 'bridge', 'type', 'bridge', 'mcast_snooping', int(snooping),
                       'mcast_querier', int(snooping), *bridge)
        if snooping:
            self.middle.ip('address', 'add', '10.77.0.254/24', 'dev', 'bridge')
        self.middle.ip('link', 'set', 'bridge', 'up')

    def host(self, name, address, device='eth0', mtu=1500, queues=1, kernel=False):
        host = Host(self, name, address, device, mtu, queues, kernel)
        self.hosts.append(host)
        return host

    def filter(self, rules, check=True):
        self.middle.run('nft', '-f', '-', text_input=rules, check=check)

    def close(self):
        for host in self.hosts:
            host.namespace.delete()
        self.middle.delete()
        self.hosts = []

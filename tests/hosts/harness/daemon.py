"""A running fanfared on one host, and the fanfare tool against it."""

import json
import subprocess

from . import suite
from .process import Process

_READY_SECONDS = 30


class Daemon:
    """fanfared on `host`, with every cable of the host as an interface; ready when the constructor returns.

    `kind` is the device: af_xdp, af_packet or kernel (then the host's kernel must hold the address). The tool talks to it through a Unix socket, which knows no
    network namespace, so clients run outside.
    """

    def __init__(self, test, host, kind='af_xdp', lcores='0', idle='sleep', extra=(), cables=None, socket=None):
        self.test, self.host = test, host
        self.socket = socket or test.folder / f'{host.name}.sock'
        argv = [suite.FANFARED, '--control', self.socket, '--lcores', lcores, '--idle', idle]
        for number, cable in enumerate(cables or host.cables):
            argv += ['--interface', f'{cable.device},{cable.address},{device(kind, number, cable)}']
        self.argv = [*argv, *extra]
        self.start()

    def start(self):
        """Also for starting again after its end: same socket, same devices."""
        self.process = self.test.keep(Process(self.argv, host=self.host, label=f'fanfared on {self.host.name}'))
        self.process.expect_line('fanfared: ready', _READY_SECONDS)

    def stop(self):
        return self.process.stop()

    def running(self):
        return self.process.running()

    def tool(self, *argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        """A fanfare command that goes on beside the test."""
        return self.test.keep(Process([suite.FANFARE, '--control', self.socket, *argv], stdin=stdin, stdout=stdout,
                                      label=f'fanfare {argv[0]} on {self.host.name}'))

    def publish(self, group, path, *argv):
        """`fanfare pub` with a file as its input."""
        with open(path, 'rb') as data:
            return self.tool('pub', group, *argv, stdin=data)

    def subscribe(self, group, path, *argv):
        """`fanfare sub` into a file; returns when it listens."""
        with open(path, 'wb') as out:
            process = self.tool('sub', group, *argv, stdout=out)
        self.await_listener(process)
        return process

    def await_listener(self, process):
        process.expect_line('listening', 10)

    def status(self):
        """What `fanfare status --json` shows."""
        done = subprocess.run([suite.FANFARE, '--control', str(self.socket), 'status', '--json'], capture_output=True,
                              timeout=20)
        if done.returncode != 0:
            raise AssertionError(f'status: {done.stderr.decode()}')
        return json.loads(done.stdout)


def device(kind, number, cable):
    """The DEVICE text of a cable's end."""
    if kind == 'kernel':
        return f'kernel,iface={cable.device}'
    return f'net_{kind}{number},iface={cable.device}'


def numbers(tree, name):
    """Every number called `name` anywhere in what status shows, summed: a test need not know where it stands."""
    if isinstance(tree, dict):
        own = tree.get(name)
        total = own if isinstance(own, (int, float)) else 0
        return total + sum(numbers(value, name) for value in tree.values())
    if isinstance(tree, list):
        return sum(numbers(value, name) for value in tree)
    return 0

"""Moving files from one host to others and comparing what arrived."""

import hashlib
import os
import random

from . import suite
from .daemon import Daemon

# Two cores carry every host of a test, and others may want them: a rate in Mbit/s that leaves room, and a window that
# outlasts the time that a busy machine keeps a daemon waiting. Both are about completeness, not about speed.
PACE = ('--rate', os.environ.get('FANFARE_TEST_RATE', '100'), '--window-ms', '3000')
GROUP = '239.77.0.1:7500'


def make_file(path, size, seed=1):
    """`size` octets that follow from `seed`; returns their SHA-256."""
    source = random.Random(seed)
    digest = hashlib.sha256()
    with open(path, 'wb') as out:
        while size > 0:
            block = source.randbytes(min(size, 1 << 20))
            digest.update(block)
            out.write(block)
            size -= len(block)
    return digest.hexdigest()


def digest(path):
    with open(path, 'rb') as data:
        return hashlib.file_digest(data, 'sha256').hexdigest()


class TransferTest(suite.HostTest):
    """One publisher's host and any number of subscribers', each with a daemon."""

    def make_hosts(self, subscribers, daemon=(), publisher=(), kind='af_xdp', lcores='0', queues=1, **network):
        self.network = self.make_network(**network)
        kernel = kind == 'kernel'
        self.sender = self.network.host('pub', '10.77.0.1/24', queues=queues, kernel=kernel)
        self.receivers = [self.network.host(f'sub{i}', f'10.77.0.{10 + i}/24', queues=queues, kernel=kernel)
                          for i in range(subscribers)]
        self.publisher = Daemon(self, self.sender, kind=kind, lcores=lcores, extra=(*daemon, *publisher))
        self.subscribers = [Daemon(self, host, kind=kind, lcores=lcores, extra=daemon) for host in self.receivers]

    def outputs(self):
        return [self.folder / f'{daemon.host.name}.out' for daemon in self.subscribers]

    def listen(self, *options, group=GROUP):
        return [daemon.subscribe(group, path, *options) for daemon, path in zip(self.subscribers, self.outputs())]

    def file(self, size, seed=1):
        self.input = self.folder / 'input'
        self.digest = make_file(self.input, size, seed)
        return self.input

    def expect_equal(self, subs, pub=None, seconds=suite.SECONDS):
        """Every subscriber ended well and holds the file."""
        if pub is not None:
            self.assertEqual(pub.wait(seconds), 0, f'pub: {pub.text()[-400:]}')
        for sub, path in zip(subs, self.outputs()):
            self.assertEqual(sub.wait(seconds), 0, f'{sub.label}: {sub.text()[-400:]}')
            self.assertEqual(digest(path), self.digest, f'{sub.label}: {path.stat().st_size} octets differ')

    def move(self, size, publish=(), subscribe=()):
        self.file(size)
        subs = self.listen(*subscribe)
        pub = self.publisher.publish(GROUP, self.input, *PACE, *publish)
        self.expect_equal(subs, pub)

    def expect_loss(self, at_least=1):
        """The network did lose something: without that a test of repair proves nothing."""
        lost = sum(host.cable.dropped() + host.cable.dropped(towards=True) for host in self.network.hosts)
        self.assertGreaterEqual(lost, at_least)

"""What the tests with real peers share: the peer programs and the stream that they agree on."""

import hashlib
import os
import subprocess

from harness import suite
from harness.process import Process

_build = suite.ROOT / 'build/tests/peers'
OPENPGM_PEER = os.environ.get('OPENPGM_PEER', str(_build / 'openpgm_peer'))
ZEROMQ_PEER = os.environ.get('ZEROMQ_PEER', str(_build / 'zeromq_peer'))
EXPECTED_MESSAGES = os.environ.get('EXPECTED_MESSAGES', str(_build / 'expected_messages'))
PROGRAMS = (OPENPGM_PEER, ZEROMQ_PEER, EXPECTED_MESSAGES)


class PeerTest(suite.HostTest):
    def peer(self, *argv, host):
        return self.keep(Process(argv, host=host))

    def expected_file(self, count, longest, *options):
        """A file of what `count` messages make together."""
        path = self.folder / 'expected'
        with open(path, 'wb') as out:
            subprocess.run([EXPECTED_MESSAGES, str(count), str(longest), *options], stdout=out, check=True, timeout=60)
        return path


def digest(path):
    with open(path, 'rb') as data:
        return hashlib.file_digest(data, 'sha256').hexdigest()

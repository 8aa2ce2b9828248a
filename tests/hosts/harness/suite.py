"""What every test of real hosts shares: a bounded time, sizes by environment, reasons to skip, cleaning up.

FANFARED, FANFARE       the programs under test (default: build/apps of this tree)
FANFARE_TEST_BYTES      size of the files that are moved, e.g. 1073741824 or 1g (default 64m)
FANFARE_TEST_SECONDS    limit of one test (default 300)
"""

import atexit
import functools
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import unittest

from . import network as network_module

SKIPPED = 77  # what meson understands as skipped
ROOT = pathlib.Path(__file__).resolve().parents[3]
FANFARED = os.environ.get('FANFARED', str(ROOT / 'build/apps/fanfared'))
FANFARE = os.environ.get('FANFARE', str(ROOT / 'build/apps/fanfare'))


def size_from(text):
    unit = {'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30}.get(text[-1:].lower())
    return int(text[:-1]) * unit if unit else int(text)


BYTES = size_from(os.environ.get('FANFARE_TEST_BYTES', '64m'))
SECONDS = int(os.environ.get('FANFARE_TEST_SECONDS', '300'))


class TookTooLong(Exception):
    pass


class HostTest(unittest.TestCase):
    """A test with a network and a folder of its own, both gone afterwards whatever happened."""

    def setUp(self):
        signal.signal(signal.SIGALRM, self._too_long)
        signal.alarm(SECONDS)
        self.addCleanup(signal.alarm, 0)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='fanfare-hosts-'))
        self.undo(functools.partial(shutil.rmtree, self.folder, ignore_errors=True))

    def undo(self, action):
        """Does `action` once: after the test, or when the whole run is interrupted, which skips cleanups."""
        atexit.register(action)

        def once():
            atexit.unregister(action)
            action()

        self.addCleanup(once)

    def make_network(self, **options):
        network = network_module.Network(**options)
        self.undo(network.close)
        return network

    def keep(self, process):
        """Ends `process` with the test; returns it."""
        self.undo(process.close)
        return process

    @staticmethod
    def _too_long(_number, _frame):
        raise TookTooLong(f'the test ran into its limit of {SECONDS} s')


def _leave(number, _frame):
    # The one exception that ends a run of unittest at once; any other it counts as a failed test and goes on.
    raise KeyboardInterrupt(f'signal {number}')


def reason_to_skip(programs):
    if os.geteuid() != 0:
        return 'network namespaces need root'
    for tool in ('ip', 'nft', 'ethtool'):
        if shutil.which(tool) is None:
            return f'the program {tool} is missing (scripts/build installs it)'
    for program in programs:
        if not os.access(program, os.X_OK):
            return f'{program} has not been built'
    return None


def main(programs=(FANFARED, FANFARE)):
    """Runs the tests of the calling file, or says why not and ends with the status that means skipped."""
    reason = reason_to_skip(programs)
    if reason:
        print(f'SKIPPED: {reason}')
        sys.exit(SKIPPED)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _leave)
    network_module.sweep_dead_runs()
    unittest.main(verbosity=2, module='__main__')

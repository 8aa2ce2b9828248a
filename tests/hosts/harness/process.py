"""Programs that tests start: error text kept, ended by their id, never outliving the test's own process."""

import ctypes
import os
import signal
import subprocess
import tempfile
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A started program. `stdin` and `stdout` as for Popen; error text goes to a file that text() reads."""

    def __init__(self, argv, host=None, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, label=None, env=None):
        self.label = label or os.path.basename(str(argv[0]))
        self._errors = tempfile.TemporaryFile()
        argv = [str(a) for a in argv]
        self.popen = subprocess.Popen(host.argv(argv) if host else argv, stdin=stdin, stdout=stdout,
                                      stderr=self._errors, preexec_fn=_die_with_parent,
                                      env={**os.environ, **env} if env else None)
        self.pid = self.popen.pid

    def text(self):
        """What it has written to standard error so far."""
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), size, 0).decode(errors='replace')

    def running(self):
        return self.popen.poll() is None

    def wait(self, seconds):
        """Its status; a program that takes longer is an error that quotes what it said last."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self.label} still runs after {seconds} s; it said: {self.text()[-800:]!r}') from None

    def signal(self, number):
        if self.running():
            os.kill(self.pid, number)

    def stop(self, seconds=5):
        """Ends it, gently at first. Safe to call twice."""
        if self.running():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                self.popen.wait(5)
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream:
                try:
                    stream.close()
                except OSError:
                    pass
        return self.popen.returncode

    def close(self):
        """The end of it: text() is not to be had afterwards."""
        self.stop()
        self._errors.close()

    def expect_line(self, words, seconds):
        """Waits until standard error holds `words`."""
        if not wait_until(lambda: words in self.text() or not self.running(), seconds) or words not in self.text():
            raise AssertionError(f'{self.label} never said {words!r} (status {self.popen.poll()}); '
                                 f'it said: {self.text()[-800:]!r}')


def wait_until(condition, seconds, step=0.02):
    """True as soon as `condition` holds, False when it has not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True

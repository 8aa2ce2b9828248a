"""Programs inside network namespaces, on one core where one is given, that do not outlive the bench."""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from harness.machine import BenchError

READY_SECONDS = 20
_libc = ctypes.CDLL(None)


def run(*argv, check=True):
    """Runs a short command; its output."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=30)
    if check and done.returncode != 0:
        raise BenchError(f"{' '.join(str(a) for a in argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Program:
    """A program that runs inside a namespace until it ends or is stopped."""

    def __init__(self, namespace, argv, core=None):
        self.name = pathlib.Path(argv[0]).name
        self.errors = tempfile.TemporaryFile()
        self.output = tempfile.TemporaryFile()

        def prepare():
            _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if core is not None:
                os.sched_setaffinity(0, {core})

        self.popen = subprocess.Popen(['ip', 'netns', 'exec', namespace, *[str(a) for a in argv]], preexec_fn=prepare,
                                      stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.errors)

    def text(self, stream=None):
        stream = stream or self.errors
        return os.pread(stream.fileno(), os.fstat(stream.fileno()).st_size, 0).decode(errors='replace')

    def last_words(self):
        return self.text().strip()[-400:] or self.text(self.output).strip()[-400:]

    def expect(self, words, stream=None):
        """Waits until the program has said `words`."""
        end = time.monotonic() + READY_SECONDS
        while words not in self.text(stream):
            if self.popen.poll() is not None or time.monotonic() > end:
                raise BenchError(f'{self.name} is not ready: {self.last_words()}')
            time.sleep(0.01)

    def finish(self, seconds, partners=()):
        """Waits for its end in good order; its output. A partner that fails ends the wait."""
        end = time.monotonic() + seconds
        while (status := self.popen.poll()) is None:
            for partner in partners:
                if partner.popen.poll():
                    raise BenchError(f'{partner.name} ended with {partner.popen.returncode}: {partner.last_words()}')
            if time.monotonic() > end:
                words = ' | '.join(program.last_words() for program in (self, *partners))
                raise BenchError(f'{self.name} did not end within {seconds:.0f} s: {words}')
            time.sleep(0.01)
        if status != 0:
            raise BenchError(f'{self.name} ended with {status}: {self.last_words()}')
        return self.text(self.output)

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait(5)


def start(stack, *arguments, **more):
    """A program that the exit stack stops."""
    program = Program(*arguments, **more)
    stack.callback(program.stop)
    return program


@contextlib.contextmanager
def namespaces(names):
    """Network namespaces with their loopback up and without IPv6."""
    made = []
    try:
        for name in names:
            run('ip', 'netns', 'add', name)
            made.append(name)
            run('ip', 'netns', 'exec', name, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1',
                'net.ipv6.conf.default.disable_ipv6=1', check=False)
            run('ip', '-n', name, 'link', 'set', 'lo', 'up')
        yield
    finally:
        for name in made:
            run('ip', 'netns', 'del', name, check=False)

"""Sockets of another program as if they were this one's: calls go there, results and errors come back."""

import itertools
import pathlib
import pickle
import subprocess
import sys
import threading

from . import suite
from .process import Process

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / 'rm_calls.py'


class Later:
    """The result of a call that goes on beside the test."""

    def __init__(self, program):
        self.program, self.there, self.said = program, threading.Event(), None

    def done(self):
        return self.there.is_set()

    def result(self, seconds=30):
        if not self.there.wait(seconds):
            raise AssertionError(f'no answer within {seconds} s from {self.program.label}; it said: '
                                 f'{self.program.text()[-2000:]!r}')
        good, value = self.said
        if not good:
            raise value
        return self.program.from_there(value)


class Program(Process):
    """rm_calls.py at a daemon."""

    def __init__(self, daemon):
        super().__init__([suite.FANFARE, '--control', daemon.socket, 'run', sys.executable, PROGRAM],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, label=f'program on {daemon.host.name}')
        self.numbers, self.waiting = itertools.count(1), {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        try:
            while True:
                number, good, value = pickle.load(self.popen.stdout)
                self._end(number, good, value)
        except (EOFError, ValueError, OSError, pickle.UnpicklingError):
            for number in list(self.waiting):
                self._end(number, False, AssertionError(f'{self.label} has ended'))

    def _end(self, number, good, value):
        later = self.waiting.pop(number)
        later.said = good, value
        later.there.set()

    def begin(self, target, method, *arguments, aside=True):
        later = Later(self)
        number = next(self.numbers)
        self.waiting[number] = later
        pickle.dump((number, target, method, arguments, aside), self.popen.stdin)
        self.popen.stdin.flush()
        return later

    def call(self, method, *arguments):
        """A function of rm_calls.py."""
        return self.begin(0, method, *arguments, aside=False).result()

    def socket(self, kind, *arguments):
        return self.call('as_they_are', kind, *arguments)

    def from_there(self, value):
        if type(value) is tuple and len(value) == 2 and value[0] == 'socket':
            return RemoteSocket(self, value[1])
        return tuple(self.from_there(v) for v in value) if type(value) is tuple else value


class RemoteSocket:
    """socket.socket in another program: every method of it. later(...) does not wait for the result."""

    def __init__(self, program, number):
        self.program, self.number = program, number

    def __getattr__(self, method):
        return lambda *arguments: self.program.begin(self.number, method, *arguments, aside=False).result()

    def later(self, method, *arguments):
        return self.program.begin(self.number, method, *arguments)

    def ask(self, function, *arguments):
        """A function of rm_calls.py on this socket."""
        return self.program.call(function, self.number, *arguments)

    def ask_later(self, function, *arguments):
        return self.program.begin(0, function, self.number, *arguments)

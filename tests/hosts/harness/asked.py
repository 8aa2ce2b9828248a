"""A program under `fanfare run` that answers a line of JSON to each command line."""

import json
import subprocess
import sys

from . import suite
from .process import Process


class AskedProgram(Process):
    """ask() is one command and its answer."""

    def __init__(self, daemon, program, *options):
        super().__init__([suite.FANFARE, '--control', daemon.socket, 'run', *options, sys.executable, program],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, label=f'program on {daemon.host.name}')

    def ask(self, *words):
        self.popen.stdin.write((' '.join(str(w) for w in words) + '\n').encode())
        self.popen.stdin.flush()
        line = self.popen.stdout.readline()
        if not line:
            raise AssertionError(f'{self.label} ended: {self.text()[-2000:]}')
        return json.loads(line)

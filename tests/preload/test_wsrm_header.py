"""<wsrm.h> says what the public header says: every macro, enumerator, structure, field, offset and size of Debian's
mingw-w64 <wsrm.h> is read from that header, and both compilers are asked for its value.

    test_wsrm_header.py LINUX_COMPILER MINGW_COMPILER INCLUDE_DIRECTORY"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

LINUX, MINGW, INCLUDE = sys.argv[1:4]
del sys.argv[1:4]

WINDOWS_PROLOGUE = '#include <winsock2.h>\n#include <windows.h>\n#include <wsrm.h>\n'
LINUX_PROLOGUE = '#include <stddef.h>\n#include <wsrm.h>\n'


def public_header():
    """The text of mingw-w64's header, as its own preprocessor finds it."""
    made = subprocess.run([MINGW, '-E', '-x', 'c', '-'], input=WINDOWS_PROLOGUE, capture_output=True, text=True,
                          check=True).stdout
    path = next(m[1] for m in re.finditer(r'^# \d+ "([^"]*wsrm\.h)"', made, re.MULTILINE))
    return pathlib.Path(path).read_text(encoding='utf-8')


def questions(text):
    """C expressions for all that the header names."""
    out = {}
    for name in re.findall(r'^#define (\w+)[ \t]+\S', text, re.MULTILINE):
        out[name] = f'({name})'
    for body in re.findall(r'enum \w+ \{(.*?)\}', text, re.DOTALL):
        for name in re.findall(r'(E_\w+)', body):
            out[name] = name
    for body, name in re.findall(r'typedef struct \w+ \{(.*?)\} (\w+);', text, re.DOTALL):
        out[f'sizeof {name}'] = f'sizeof({name})'
        out[f'alignof {name}'] = f'_Alignof({name})'
        for kind, field in re.findall(r'(\w+) (\w+);', body):
            out[f'{name}.{field} at'] = f'offsetof({name}, {field})'
            out[f'{name}.{field} size'] = f'sizeof((({name}*)0)->{field})'
            # No field is signed: all ones is above 0.
            out[f'{name}.{field} unsigned'] = f'((__typeof__((({name}*)0)->{field}))-1 > 0)'
    return out


def answers(compiler, prologue, asked, *options):
    lines = [prologue, 'void ask(void) {']
    for number, expression in enumerate(asked.values()):
        lines.append(f'__asm__ volatile("\\n#->{number} %c0" : : "i"((long long)({expression})));')
    lines.append('}')
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / 'ask.c'
        source.write_text('\n'.join(lines), encoding='utf-8')
        made = subprocess.run([compiler, *options, '-S', '-o', '-', str(source)], capture_output=True, text=True)
        if made.returncode != 0:
            raise AssertionError(made.stderr)
    found = dict(re.findall(r'#->(\d+) (-?\d+)', made.stdout))
    return {name: int(found[str(number)]) for number, name in enumerate(asked)}


class WsrmHeader(unittest.TestCase):
    maxDiff = None

    def test_every_value_and_layout_is_the_public_ones(self):
        """Checks 3 and 4."""
        asked = questions(public_header())
        windows = answers(MINGW, WINDOWS_PROLOGUE, asked)
        ours = answers(LINUX, LINUX_PROLOGUE, asked, '-I', INCLUDE)
        self.assertEqual(ours, windows)
        self.assertEqual(ours['RM_HIGH_SPEED_INTRANET_OPT'], 1014)
        self.assertEqual([ours[f'sizeof {name}'] for name in (
            'RM_SEND_WINDOW', 'RM_FEC_INFO', 'RM_SENDER_STATS', 'RM_RECEIVER_STATS')], [12, 6, 104, 144])
        self.assertGreater(len(asked), 120)
        print(len(asked), 'values compared')

    def test_our_header_needs_nothing_before_it_and_works_in_cpp(self):
        for language in ('c', 'c++'):
            subprocess.run([LINUX, '-x', language, '-Wall', '-Wextra', '-Werror', '-pedantic', '-fsyntax-only', '-I',
                            INCLUDE, '-'], input='#include <wsrm.h>\n', text=True, check=True)


if __name__ == '__main__':
    unittest.main(verbosity=2)

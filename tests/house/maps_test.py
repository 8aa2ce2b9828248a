#!/usr/bin/env python3
"""What docs/rfc3208-map.md and docs/security.md name exists: files, tests, and a row for every section of RFC 3208
that binds a host.

    maps_test.py [ROOT]
"""
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
PAGES = ('docs/rfc3208-map.md', 'docs/security.md')
# Where a page's bare file names may stand.
FOLDERS = ('', 'engine/core', 'tests/engine', 'tests', 'tests/engine/conformance')

# Sections in which RFC 3208 says MUST, SHOULD or REQUIRED to sources, receivers or DLRs, or gives them a procedure.
SECTIONS = ('3.1 3.2 3.3 3.6.3.2 4 5.1 5.1.1 5.1.2 5.1.3 5.1.4 5.1.5 5.1.6 5.2 5.3 6.1 6.2 6.3 8 9 9.1 9.2 9.3 9.4 9.5 '
            '9.5.2 9.5.2.1 9.5.2.2 9.5.4 9.6 9.7 9.8 10 11.1 11.2 11.4 11.5 11.7 11.8 12.1 12.4 12.5 13.2 13.4 13.5 14.2 '
            '14.3 14.4 14.5 14.7 15.2.1 15.2.2 15.2.3 15.3.2 15.4.1 16.1 16.2 16.3').split()
# OpenPGM 5.3's conformance scripts.
OPENPGM = ('ambient_spm apdu apdu_parity heartbeat_spm nak nak_cancellation nak_list nak_parity nak_repeat ncf '
           'ncf_cancellation ncf_list ncf_suppression odata odata_completion odata_jump odata_jump_parity odata_number '
           'odata_rate odata_reception on-demand_spm outofwindow_ncf rdata_completion rdata_completion_parity '
           'rdata_completion_parity_var_pktlen rdata_jump rdata_reception spm spm_jump spm_jump2 spm_reception spmr '
           'spmr_after_spm spmr_from_odata spmr_suppression').split()

FILE = re.compile(r'`([\w./-]+)`')
# A test's name is a sentence of several words run together; "…" ends a shortened one.
WORD = re.compile(r'\b([A-Za-z]\w{9,})(…?)')
DEFINED = re.compile(r'\bTEST(?:_F|_P)?\(\s*\w+,\s*(\w+)\)|^    def (test_\w+)', re.M)


def rows(page):
    """The cells of each row of the page's tables, headings and rules left out."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')] if line.startswith('|') else []
        if len(cells) > 1 and not set(cells[0]) <= set('-: ') and cells[0] not in ('section', 'name', 'threat'):
            yield cells


def tests_of(root):
    found = set()
    for suffix in ('cpp', 'py'):
        for path in (root / 'tests').rglob(f'*.{suffix}'):
            found.update(a or b for a, b in DEFINED.findall(path.read_text()))
    return found


def names_in(text):
    """Tests that a cell names: (name, whether it is shortened)."""
    return [(name, cut) for name, cut in WORD.findall(re.sub(r'`[^`]*`', '', text))
            if (name[0].islower() and name.count('_') > 2) or
            (any(c.islower() for c in name) and sum(c.isupper() for c in name) > 2)]


def exists(root, name):
    return any((root / folder / name).exists() for folder in FOLDERS)


def looks_like_a_file(name):
    return '/' in name or name.endswith(('.cpp', '.hpp', '.py'))


def faults_of(page, root, tests):
    """What the tables of a page name and nobody has."""
    faults = []
    for cells in rows(page):
        text = ' | '.join(cells[1:])
        faults += [f'no file {name}: {cells[0]}' for name in FILE.findall(text)
                   if looks_like_a_file(name) and not exists(root, name)]
        for name, cut in names_in(text):
            if not (any(test.startswith(name) for test in tests) if cut else name in tests):
                faults.append(f'no test {name}{cut}: {cells[0]}')
    return faults


def sections_of(page):
    """Sections that have a row; a row "5.1.4 to 5.1.6" has all between."""
    found = set()
    for cells in rows(page):
        numbers = re.findall(r'\d+(?:\.\d+)*', cells[0])
        found.update(numbers)
        for first, last in re.findall(r'(\d+(?:\.\d+)*) to (\d+(?:\.\d+)*)', cells[0]):
            stem, low = first.rsplit('.', 1)
            found.update(f'{stem}.{i}' for i in range(int(low), int(last.rsplit('.', 1)[1]) + 1))
    return found


class Maps(unittest.TestCase):
    maxDiff = None

    def page(self, name):
        return (ROOT / name).read_text(encoding='utf-8')

    def test_every_file_and_test_that_a_page_names_exists(self):
        tests = tests_of(ROOT)
        self.assertGreater(len(tests), 300)
        self.assertEqual([f'{name}: {fault}' for name in PAGES for fault in faults_of(self.page(name), ROOT, tests)], [])

    def test_every_section_that_binds_a_host_has_a_row(self):
        self.assertEqual(sorted(set(SECTIONS) - sections_of(self.page(PAGES[0]))), [])

    def test_every_name_of_openpgms_suite_has_a_test(self):
        shown = {cells[0]: cells[1] for cells in rows(self.page(PAGES[0])) if len(cells) == 2}
        self.assertEqual(sorted(OPENPGM), sorted(shown))
        for name, tests in shown.items():
            self.assertTrue(names_in(tests), name)

    def test_every_row_names_its_test(self):
        for cells in (*rows(self.page(PAGES[0])), *rows(self.page(PAGES[1]))):
            self.assertTrue(cells[-1], cells)
            # What binds network elements alone, and the page that names its own.
            if cells[0] not in ('7', '10'):
                self.assertTrue(FILE.search(cells[-1]) or names_in(cells[-1]), cells)


class Watchman(unittest.TestCase):
    """The tests above find what they are there to find."""

    def test_what_nobody_has_is_named(self):
        page = ('| section | rule | file | test |\n| --- | --- | --- | --- |\n'
                '| 5.1 to 5.3 | rule | `engine/core/nobody.hpp` | NobodyEverWroteThisTest, TheOneThatThereIs, TheOneThat… |\n')
        faults = faults_of(page, ROOT, {'TheOneThatThereIs'})
        self.assertEqual(len(faults), 2, faults)
        self.assertIn('nobody.hpp', faults[0])
        self.assertIn('NobodyEverWroteThisTest', faults[1])
        self.assertEqual(sections_of(page), {'5.1', '5.2', '5.3'})


if __name__ == '__main__':
    unittest.main()

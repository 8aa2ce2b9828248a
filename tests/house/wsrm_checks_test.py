#!/usr/bin/env python3
"""Every check of the socket interface is carried by a test, and scripts/wsrm-checks reads what carries it rightly.

    wsrm_checks_test.py [ROOT]
"""
import importlib.machinery
import importlib.util
import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
sys.dont_write_bytecode = True  # beside the script it would lie among the scripts
_loader = importlib.machinery.SourceFileLoader('wsrm_checks', str(ROOT / 'scripts/wsrm-checks'))
_spec = importlib.util.spec_from_loader('wsrm_checks', _loader)
command = importlib.util.module_from_spec(_spec)
_loader.exec_module(command)


class Checks(unittest.TestCase):
    def test_all_of_them_are_carried(self):
        self.assertEqual(list(command.checks(ROOT)), list(range(1, command.CHECKS + 1)))
        carried = set(command.carriers(ROOT))
        self.assertEqual(carried - set(command.checks(ROOT)), set(), 'numbers that no check has')
        missing = set(command.checks(ROOT)) - carried
        self.assertEqual(missing, set(), 'checks that no test carries: scripts/wsrm-checks --list')


class Reading(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual(command.in_name('Check24_25_26_the_windows_profile'), [24, 25, 26])
        self.assertEqual(command.in_name('Check47_to_50_late_join_is_0_to_75'), [47, 48, 49, 50])
        self.assertEqual(command.in_name('Check196EveryCell'), [196])
        self.assertEqual(command.in_name('MH4_MH5_the_last_counts'), [138, 139])
        self.assertEqual(command.in_name('LargeFragments_of_5'), [])
        self.assertEqual(command.in_phrase('Checks 43 and 44, 131 to 133:\n and check 7'), [43, 44, 131, 132, 133, 7])
        self.assertEqual(command.in_phrase('MH-2, MH-31: as in MH-5\'s'), [136, 165])
        self.assertEqual(command.in_phrase('it checks 3 times'), [3], 'say it otherwise, then')

    def test_who_carries_them(self):
        self.assertEqual(list(command.carried_in_cpp(
            '// Check 9: far away.\n\n// Check 8.\nTEST_F(Suite,\n       Check7_name) {\n    // Check 6.\n}\nTEST(Suite, Other) {\n')),
            [(7, 'Suite.Check7_name'), (8, 'Suite.Check7_name')])
        self.assertEqual(list(command.carried_in_python(
            'class A:\n    """Check 1."""\n    def test_a(self):\n        """Check 2."""\n    def helper(self):\n        """Check 3."""\n')),
            [(2, 'test_a')])
        self.assertEqual(list(command.carried_in_c('/* Check 5:\n * of a program. */\nint main(void);\n')), [(5, None)])

    def results(self, *tests):
        with tempfile.NamedTemporaryFile('w', suffix='.json') as log:
            for test in tests:
                log.write(json.dumps(test) + '\n')
            log.flush()
            return command.results_of(log.name)

    def test_how_they_ended(self):
        results = self.results(
            {'name': 'fanfare:client / units', 'result': 'FAIL', 'stdout':
             '[       OK ] Suite.Good (0 ms)\n[  FAILED  ] Suite.Bad (1 ms)\n[       OK ] All/Many.Each/0 (0 ms)\n'
             '[  FAILED  ] All/Many.Each/1, where GetParam() = 1 (0 ms)\n[  FAILED  ] Suite.Bad\n'},
            {'name': 'fanfare:hosts / calls', 'result': 'FAIL', 'stdout': '', 'stderr':
             'test_good (__main__.A.test_good)\nCheck 1. ... ok\ntest_bad (__main__.A.test_bad) ... FAIL\n'
             'FAIL: test_bad (__main__.A.test_bad)\nRan 2 tests in 1.0s\n'},
            {'name': 'away', 'result': 'SKIP'}, {'name': 'whole', 'result': 'OK'})

        def end(file, test, name):
            return command.result_of(command.Carrier(file, test), name, results)
        self.assertEqual(end('a.cpp', 'Suite.Good', 'units'), 'passed')
        self.assertEqual(end('a.cpp', 'Suite.Bad', 'units'), 'failed')
        self.assertEqual(end('a.cpp', 'Many.Each', 'units'), 'failed')
        self.assertEqual(end('a.cpp', 'Suite.Goo', 'units'), 'failed')
        self.assertEqual(end('a.py', 'test_good', 'calls'), 'passed')
        self.assertEqual(end('a.py', 'test_bad', 'calls'), 'failed')
        self.assertEqual(end('a.py', 'test_never_began', 'calls'), 'failed')
        self.assertEqual(end('a.py', 'test_x', 'away'), 'skipped')
        self.assertEqual(end('a.c', None, 'whole'), 'passed')
        self.assertEqual(end('a.cpp', 'Suite.Good', 'never'), 'not run')


if __name__ == '__main__':
    unittest.main()

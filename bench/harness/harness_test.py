"""The harness judges, sums up and draws as it says it does; nothing is measured here."""
import pathlib
import re
import sys
import tempfile
import tomllib
import unittest
import unittest.mock
import xml.dom.minidom

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import document, goals, plots, report  # noqa: E402
from harness.goals import constant, row  # noqa: E402
from harness.sweeps import SWEEPS  # noqa: E402
from harness.turns import summary  # noqa: E402

MACHINE = {'cpu': 'a <CPU>', 'cpus': 2, 'kernel': '6', 'commit': 'abc', 'date': 'today', 'load_before': 0.0,
           'core_distance_ns_before': 100, 'core_distance_ns_after': 120, 'command': ['scripts/bench', 'G1']}


def run(rate, **more):
    return {'messages_per_second': rate, 'gbit_per_second': 1.0, **more}


def judged(r):
    return {**r, 'goal': 'G0', 'figure': goals.figure(r), 'reached': goals.reached(r)}


class Summing(unittest.TestCase):
    def test_void_and_failed_runs_do_not_count(self):
        total = summary([run(1), run(3), run(5), run(100, void='others'), {'failed': 'x'}])
        self.assertEqual((total['median'], total['least'], total['most']), (3, 1, 5))
        self.assertEqual((total['runs'], total['failed'], total['void'], total['all_void']), (3, 1, 1, False))

    def test_where_all_runs_are_void_they_stand_marked(self):
        self.assertTrue(summary([run(1, void='x'), run(2, void='x')])['all_void'])

    def test_without_a_run_there_is_no_summary(self):
        self.assertIsNone(summary([{'failed': 'x'}]))


class Judging(unittest.TestCase):
    def test_a_value_or_its_ratio_is_compared(self):
        beside = {'wire': constant(10)}
        self.assertTrue(goals.reached(row('a', constant(9), 'packets/s', 0.9, True, beside, 'wire')))
        self.assertFalse(goals.reached(row('a', constant(8), 'packets/s', 0.9, True, beside, 'wire')))
        self.assertTrue(goals.reached(row('a', constant(8), 'ns', 9, False)))
        self.assertFalse(goals.reached(row('a', constant(10), 'ns', 9, False)))

    def test_a_void_figure_reaches_nothing(self):
        r = judged(row('a', {**constant(10), 'all_void': True}, 'ns', 9, True))
        self.assertEqual((r['reached'], goals.verdict(r)), (None, 'void'))

    def test_what_was_not_measured_is_neither_reached_nor_missed(self):
        self.assertIsNone(goals.reached(row('a', None, 'ns', 9)))
        self.assertIsNone(goals.reached(row('a', constant(1), 'ns', 9, True, {'wire': None}, 'wire')))


class Drawing(unittest.TestCase):
    RESULTS = {
        'machine': MACHINE, 'quick': True,
        'goals': [judged(row('rate & <more>', constant(5e6), 'messages/s', 4, True, {'peer': constant(1e6)}, 'peer')),
                  judged(row('nothing', None, '', 1, note='no <root>'))],
        'points': [{'title': f'loss: {p} % loss', 'results': {'us': [run(5e6, delay={'histogram': [[100, 9], [900, 1]]})]},
                    'summary': {'us': constant(5e6 - p), 'peer': None}} for p in (0, 5, 10)],
        'benches': {'instructions': {'compiler': 'gcc 0, avx2', 'counts': {'send': {'packet': 2.0, 'message': 1.0}}}},
    }

    def test_the_page_has_a_plot_of_each_kind_and_every_picture_is_well_formed(self):
        page = report.page(self.RESULTS)
        self.assertNotIn('<more>', page)
        self.assertEqual(page.count('<svg'), 2)
        for piece in page.split('<svg')[1:]:
            xml.dom.minidom.parseString('<svg' + piece.split('</svg>')[0] + '</svg>')

    def test_a_logarithmic_plot_covers_its_values(self):
        self.assertIn('polyline', plots.lines('t', {'a': [(1, 10), (1000, 1e7)]}, 'x', 'y', True, True))

    def test_the_document_has_a_line_for_each_row(self):
        text = document.written(f'a\n{document.BEGIN}\nold\n{document.END}\nb\n', self.RESULTS)
        self.assertNotIn('old', text)
        self.assertIn('| G0 | rate & <more> | at least 4 | 5 M/s | 5 | peer: 1 M/s | reached |', text)
        self.assertIn('not measured (no <root>)', text)
        self.assertEqual(document.written(text, self.RESULTS), text)

    def test_each_plot_is_a_picture_that_stands_alone(self):
        drawn = dict(report.pictures(self.RESULTS))
        self.assertEqual(len(drawn), report.page(self.RESULTS).count('<svg'))
        for svg in drawn.values():
            root = xml.dom.minidom.parseString(svg).documentElement
            self.assertEqual((root.tagName, root.namespaceURI), ('svg', 'http://www.w3.org/2000/svg'))
            style = root.getElementsByTagName('style')[0].firstChild.data
            for line in root.getElementsByTagName('polyline'):
                self.assertIn(f".{line.getAttribute('class').split()[0]} {{ stroke: var(--c", style)
            self.assertIn('--c0: #', style)

    def test_the_document_shows_each_picture_by_the_name_it_is_stored_under(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder) / 'pictures'
            with unittest.mock.patch.object(document, 'PICTURES', folder):
                document.draw({**self.RESULTS, 'points': []})
                (folder / 'of-an-earlier-run.svg').write_text('old')
                document.draw(self.RESULTS)
            stored = sorted(path.name for path in folder.iterdir())
        shown = re.findall(r'\]\(pictures/(.*?)\)', document.figures(self.RESULTS))
        self.assertEqual(sorted(shown), stored)
        self.assertEqual(len(stored), len(list(report.pictures(self.RESULTS))))
        self.assertEqual(document.file_name('Under loss, 5 %: a & B'), 'under-loss-5-a-b.svg')

    def test_a_point_has_a_line_for_each_that_ran_and_says_which_runs_are_void(self):
        total = {**constant(5e6), 'runs': 3, 'void': 1}
        text = document.figures({**self.RESULTS, 'points': [
            {**self.RESULTS['points'][0], 'summary': {'us': total, 'peer': None}}], 'points_machine': MACHINE})
        self.assertIn(f"| loss: 0 % loss | us | {goals.spread(total, 'messages/s')} | 3, 1 void |", text)
        self.assertIn('| loss: 0 % loss | peer | no run succeeded | 0 |', text)
        self.assertIn('A run of its own: ', text)
        self.assertNotIn('A run of its own: ', document.figures(self.RESULTS))

    def test_a_segment_that_a_driver_does_not_send_is_told(self):
        line = {'kind': 'ring', 'size': 64, 'copy': {'median': 2e6}, 'external': {'of_copy': 1.5},
                'kept sum': {'of_copy': 2}, 'damaged': 0}
        text = document.figures({**self.RESULTS, 'benches': {'external_segments': [
            line, {**line, 'kind': 'packet', 'damaged': 7, 'void': 'others'}]}})
        self.assertIn('| ring | 64 | 2 M/s | 1.50 | 2.00 |  |', text)
        self.assertIn('| packet | 64 | 2 M/s | 1.50 | 2.00 | the driver sends the first segment alone; void |', text)


class Naming(unittest.TestCase):
    def test_every_goal_of_the_list_has_a_bench(self):
        self.assertEqual(list(goals.GOALS), [f'G{i}' for i in range(1, 16)])

    def test_every_sweep_has_points_with_different_labels(self):
        for name, points in SWEEPS.items():
            for quick in (True, False):
                self.assertTrue(all(cases for _, cases in points(quick)), name)

    def test_the_limits_can_be_read(self):
        limits = tomllib.loads((pathlib.Path(__file__).resolve().parents[1] / 'instruction_limits.toml').read_text())
        for compiler, lines in limits.items():
            self.assertRegex(compiler, r'^(gcc|clang) .+, (scalar|avx2|avx512)$')
            self.assertTrue(all(value > 0 for value in lines.values()))


if __name__ == '__main__':
    unittest.main()

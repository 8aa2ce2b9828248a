#!/usr/bin/env python3
"""Writes the figures of docs/performance.md from a stored run, so that no figure there is typed by hand.

    document.py [RUN.json [POINTS.json]] [--check]

RUN.json is what `scripts/bench goals instructions --json RUN.json` stored; without it docs/performance.json counts,
which is where a given one is copied to. POINTS.json is a second run's, of sweeps: its points are taken, and where and
when they were measured is told beside them. --check: says whether the page is what the stored run makes of it.
"""
import argparse
import json
import pathlib
import re
import shutil
import sys
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import goals, report  # noqa: E402

DOCS = pathlib.Path(__file__).resolve().parents[2] / 'docs'
FINDINGS = pathlib.Path(__file__).resolve().parent / 'findings.toml'
PAGE, STORED, PICTURES = DOCS / 'performance.md', DOCS / 'performance.json', DOCS / 'pictures'
BEGIN, END = '<!-- figures: begin (bench/harness/document.py writes these lines) -->', '<!-- figures: end -->'


def machine(m):
    return (f"{m['cpu']}, {m['cpus']} cores, kernel {m['kernel']}, {m['date']}, commit {m['commit']}; load before "
            f"{m['load_before']}; a cache line between the two cores there and back {m['core_distance_ns_before']} ns "
            f"before and {m.get('core_distance_ns_after')} ns after. `{' '.join(map(str, m['command']))}`")


def goal_table(rows):
    yield '| goal | what | wanted | Fanfare: median (spread) | ratio | beside, same run | |'
    yield '| --- | --- | --- | --- | --- | --- | --- |'
    for r in rows:
        verdict = goals.verdict(r) if r['reached'] is not False else '**not reached**'
        ratio = f"{r['figure']:.3g}" if r['ratio_to'] and r['figure'] is not None else '-'
        beside = '; '.join(f"{k}: {goals.spread(v, r['unit'])}" for k, v in r['beside'].items()) or '-'
        note = f" ({r['note']})" if r['note'] else ''
        cells = (r['goal'], r['what'], goals.wanted(r), goals.spread(r['value'], r['unit']), ratio, beside, verdict + note)
        yield '| ' + ' | '.join(str(cell).replace('|', '/') for cell in cells) + ' |'


def count_table(counts):
    yield f"Counted with {counts['compiler']}:"
    yield ''
    yield '| what | instructions a packet | instructions a message |'
    yield '| --- | --- | --- |'
    for name, value in counts['counts'].items():
        yield f"| {name} | {value['packet']:.0f} | {value['message']:.0f} |"


def point_table(points):
    """What was carried end to end, each point beside its peers of the same run."""
    yield '| point | who | messages a second: median (spread) | runs |'
    yield '| --- | --- | --- | --- |'
    for point in points:
        for label, total in point['summary'].items():
            notes = f", {total['void']} void" if total and total['void'] else ''
            yield f"| {point['title']} | {label} | {goals.spread(total, 'messages/s')} | {total['runs'] if total else 0}{notes} |"


def segment_table(rows):
    """The copy into the frame against segments in the send window (bench/external_segments.py)."""
    yield ('Frames of one segment, the payload copied and summed into them (`copy`), against two, the second in the send '
           'window: read once for its sum (`external`), or with a sum that is known (`kept sum`).')
    yield ''
    yield '| port | octets | copy | external, of the copy | kept sum, of the copy | |'
    yield '| --- | --- | --- | --- | --- | --- |'
    for r in rows:
        notes = [] if not r['damaged'] else ['the driver sends the first segment alone']
        notes += ['void'] if 'void' in r else []
        others = ' | '.join(f"{r[form]['of_copy']:.2f}" for form in ('external', 'kept sum'))
        yield f"| {r['kind']} | {r['size']} | {r['copy']['median'] / 1e6:.3g} M/s | {others} | {'; '.join(notes)} |"


def file_name(title):
    return re.sub('[^a-z0-9]+', '-', title.lower()).strip('-') + '.svg'


def findings(rows, texts):
    """What is known of the goals that the run did not reach: what costs the time, what was tried."""
    for goal, text in texts.items():
        if all(r['reached'] for r in rows if r['goal'] == goal):
            continue
        yield f"- **{goal}.** {' '.join(text['costs'].split())}"
        for tried in text.get('tried', ()):
            yield f"  - Tried: {' '.join(tried.split())}"


def figures(results):
    lines = [machine(results['machine']), '']
    if results.get('quick'):
        lines += ['**Short runs on a machine that was not quiet: they show that every bench runs, and nothing else.**', '']
    if results.get('goals'):
        lines += [*goal_table(results['goals']), '']
        known = list(findings(results['goals'], tomllib.loads(FINDINGS.read_text())))
        if known:
            lines += ['### Where the time goes, of goals not reached', '', *known, '']
    counts = results.get('benches', {}).get('instructions')
    if counts:
        lines += ['### Instructions', '', *count_table(counts), '']
    segments = results.get('benches', {}).get('external_segments')
    if segments:
        lines += ['### Copy or external segment', '', *segment_table(segments), '']
    if results.get('points'):
        lines += ['### End to end', '']
        if 'points_machine' in results:
            lines += [f"A run of its own: {machine(results['points_machine'])}", '']
        for title, _ in report.pictures(results):
            lines += [f'![{title}](pictures/{file_name(title)})', '']
        lines += [*point_table(results['points']), '']
    return '\n'.join(lines)


def draw(results):
    """Makes the pictures anew; those of an earlier run go."""
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob('*.svg'):
        old.unlink()
    for title, svg in report.pictures(results):
        (PICTURES / file_name(title)).write_text(svg)


def written(text, results):
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f'{before}{BEGIN}\n\n{figures(results)}\n{END}{after}'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('run', nargs='?', type=pathlib.Path)
    parser.add_argument('points', nargs='?', type=pathlib.Path)
    parser.add_argument('--check', action='store_true')
    a = parser.parse_args()
    if a.run and a.run.resolve() != STORED:
        shutil.copyfile(a.run, STORED)
    if a.points:
        known, more = json.loads(STORED.read_text()), json.loads(a.points.read_text())
        known |= {'points': more['points'], 'points_machine': more['machine']}
        STORED.write_text(json.dumps(known, indent=1) + '\n')
    text = PAGE.read_text()
    results = json.loads(STORED.read_text())
    new = written(text, results)
    if a.check:
        if new != text:
            print('docs/performance.md is not what docs/performance.json says: run bench/harness/document.py',
                  file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(new)
    draw(results)
    return 0


if __name__ == '__main__':
    sys.exit(main())

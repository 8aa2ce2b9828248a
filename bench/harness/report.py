"""One self-contained page of a run: the goals at a glance, plots, all figures, the machine. Light and dark."""
import html
import re

from harness import goals, plots

COLOURS = """
:root { --ink: #1c2430; --soft: #667080; --paper: #fff; --line: #dde2e8; --good: #0a7a3d; --bad: #b3261e;
  --c0: #1f6feb; --c1: #8250df; --c2: #57606a; --c3: #bf5b04; --c4: #0a7a3d; --c5: #b3261e; --c6: #0b7285; --c7: #99610a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #97a1b0; --paper: #11151b; --line: #2b323c;
  --good: #4cc38a; --bad: #ff7b72; --c0: #6cb0ff; --c1: #c297ff; --c2: #a6b0bd; --c3: #ffa657; --c4: #4cc38a;
  --c5: #ff7b72; --c6: #56d4dd; --c7: #e3b341; } }
"""
DRAWN = """
svg text { fill: var(--soft); font-size: 12px; }
text.x { text-anchor: middle; } text.y { text-anchor: end; } .grid { stroke: var(--line); }
polyline, line { fill: none; stroke-width: 2; } .thin { stroke-width: 1; }
""" + ''.join(f'.s{i} {{ stroke: var(--c{i}); }} .f{i} {{ fill: var(--c{i}); }}' for i in range(plots.SERIES))
STYLE = COLOURS + """
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 1360px; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } p.soft, td.soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; } .yes { color: var(--good); font-weight: 600; }
.no { color: var(--bad); font-weight: 600; } .wide { overflow-x: auto; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 1.2rem; }
figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { width: 100%; height: auto; }
""" + DRAWN


def _points(results, sweep):
    """[(number in the title, label -> summary)] of a sweep's points."""
    found = []
    for point in results.get('points', []):
        name, _, title = point['title'].partition(': ')
        number = re.search(r'[\d.]+', title)
        if name == sweep and number:
            found.append((float(number[0]), {k: v for k, v in point['summary'].items() if v}))
    return sorted(found, key=lambda p: p[0])


def _series(points, scale=1.0, by_x=None):
    series = {}
    for place, (x, totals) in enumerate(points):
        for label, t in totals.items():
            factor = scale * (by_x(x) if by_x else 1)
            series.setdefault(label, []).append((place, *(t[k] * factor for k in ('median', 'least', 'most'))))
    return series


def _sweep_plots(results):
    for sweep, title, x_label in (('af_xdp sizes', 'Messages a second by size, AF_XDP on veth', 'octets'),
                                  ('af_packet sizes', 'Messages a second by size, AF_PACKET on veth', 'octets'),
                                  ('memif sizes', 'Messages a second by size, memif', 'octets'),
                                  ('loss', 'Under loss, 1400 octets, AF_XDP on veth', 'percent lost'),
                                  ('readers', 'Readers on the receiving host', 'readers'),
                                  ('sessions', 'Sessions side by side, packed, memif', 'sessions'),
                                  ('workers', 'Workers a daemon', 'workers')):
        points = _points(results, sweep)
        if not points:
            continue
        names = [f'{x:g}' for x, _ in points]
        yield plots.lines(title, _series(points), x_label, 'messages/s', log_y='sizes' in sweep, categories=names)
        if 'sizes' in sweep:
            yield plots.lines(title.replace('Messages', 'Payload bits'), _series(points, by_x=lambda x: 8 * x), x_label,
                              'bit/s', log_y=True, categories=names)


def _micro_plots(results):
    sessions = {}
    for run in results.get('benches', {}).get('receive_core', []):
        match = re.match(r'receive_sessions/sessions:(\d+)/run:(\d+)/manual_time(_median)?$', run['name'])
        if match and match[2] == '1' and 'tsc' in run:
            sessions[int(match[1])] = run['tsc']
    if len(sessions) > 1:
        yield plots.lines('Receive core: ticks a packet by number of sessions', {'round-robin': list(sessions.items())},
                          'sessions', 'TSC ticks', log_x=True)


def _delays(results):
    """label -> histogram of delays, from the runs that have one."""
    found = {}
    for point in results.get('points', []) + results.get('delays', []):
        for label, runs in point['results'].items():
            histogram = [pair for r in runs if 'delay' in r for pair in r['delay']['histogram']]
            if histogram:
                found[f"{point['title']}: {label}"] = histogram
    return found


def _delay_plot(results):
    series = {}
    for label, histogram in _delays(results).items():
        total = sum(count for _, count in histogram)
        seen, line = 0, []
        for ns, count in sorted(histogram):
            seen += count
            left = 1 - seen / total
            if left > 0:
                line.append((1 / left, ns / 1e3))
        if line:
            series[label] = line
    if series:
        yield plots.lines('One-way delay by percentile', series, '1 in so many is later', 'us', log_x=True, log_y=True)


def _goal_table(rows):
    lines = []
    for r in rows:
        colour = {True: 'yes', False: 'no', None: 'soft'}[r['reached']]
        verdict = f'<span class={colour}>{goals.verdict(r)}</span>'
        beside = '<br>'.join(f"{html.escape(k)}: {goals.spread(v, r['unit'])}" for k, v in r['beside'].items())
        ratio = f"{r['figure']:.3g}" if r['ratio_to'] and r['figure'] is not None else ''
        note = html.escape(r['note'])
        lines.append(f"<tr><td>{r['goal']}</td><td>{html.escape(r['what'])}</td><td class=n>{goals.wanted(r)}</td>"
                     f"<td class=n>{goals.spread(r['value'], r['unit'])}</td><td class=n>{ratio}</td><td class=n>{beside}</td>"
                     f"<td class=n>{verdict}</td><td class=soft>{note}</td></tr>")
    return ('<div class=wide><table><tr><th>goal<th>what<th>wanted<th>Fanfare: median (spread)<th>ratio<th>beside'
            f'<th><th></tr>{"".join(lines)}</table></div>')


def _point_table(points):
    lines = []
    for point in points:
        for label, t in point['summary'].items():
            void = f"{t['void']} void" if t and t['void'] else ''
            lines.append(f"<tr><td>{html.escape(point['title'])}</td><td>{html.escape(label)}</td><td class=n>"
                         f"{goals.spread(t, 'messages/s')}</td><td>{t['runs'] if t else 0}</td>"
                         f'<td class=soft>{void}</td></tr>')
    return ('<div class=wide><table><tr><th>point<th>who<th>messages a second: median (spread)<th>runs<th></tr>'
            f'{"".join(lines)}</table></div>')


def _drawn(results):
    return [figure for figure in (*_sweep_plots(results), *_delay_plot(results), *_micro_plots(results)) if figure]


def pictures(results):
    """(title, SVG that stands alone) of each plot of the page."""
    for figure in _drawn(results):
        title = html.unescape(re.search('<figcaption>(.*?)</figcaption>', figure)[1])
        svg = re.search('<svg.*</svg>', figure)[0]
        head = ('<svg xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif"', f'<style>{COLOURS}{DRAWN}'
                f'</style><rect width="100%" height="100%" fill="var(--paper)"/>')
        start, rest = svg.split('>', 1)
        yield title, start.replace('<svg', head[0], 1) + '>' + head[1] + rest + '\n'


def page(results):
    """The whole page."""
    m = results['machine']
    where = (f"{m['cpu']}, {m['cpus']} cores, kernel {m['kernel']}, commit {m['commit']}, {m['date']}; load before "
             f"{m['load_before']}; a cache line between the two cores there and back {m['core_distance_ns_before']} ns "
             f"before, {m.get('core_distance_ns_after')} ns after. Command: {' '.join(map(str, m['command']))}.")
    parts = [f'<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
             f'<title>Fanfare: figures</title><style>{STYLE}</style><h1>Fanfare: figures</h1>'
             f'<p class=soft>{html.escape(where)}</p>']
    if results.get('quick'):
        parts.append('<p class=no>Short runs, for a look: these figures prove nothing.</p>')
    for name, why in results.get('void', {}).items():
        parts.append(f'<p class=no>{html.escape(name)} is void: {html.escape(why)}</p>')
    if results.get('goals'):
        parts.append(f"<h2>Goals</h2>{_goal_table(results['goals'])}")
    drawn = _drawn(results)
    if drawn:
        parts.append(f'<h2>Plots</h2><div class=plots>{"".join(drawn)}</div>')
    if results.get('points'):
        parts.append(f"<h2>End to end</h2>{_point_table(results['points'])}")
    counts = results.get('benches', {}).get('instructions')
    if counts:
        lines = ''.join(f"<tr><td>{html.escape(k)}<td class=n>{v['packet']:.0f}<td class=n>{v['message']:.0f}</tr>"
                        for k, v in counts['counts'].items())
        parts.append(f"<h2>Instructions ({html.escape(counts['compiler'])})</h2><table><tr><th>what<th>a packet"
                     f'<th>a message</tr>{lines}</table>')
    return ''.join(parts) + '</html>\n'

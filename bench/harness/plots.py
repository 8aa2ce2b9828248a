"""Plots as inline SVG, from the standard library alone: lines over a scale, and bars. Colours come from the page's style
sheet, so that one picture does for light and dark."""
import html
import math

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 32, 44
SERIES = 8  # classes s0 to s7 of the style sheet


def _ticks(low, high, log):
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [10.0 ** e for e in range(first, last + 1)]
    step = 10 ** math.floor(math.log10(max(high, 1e-9)))
    while high / step < 4:
        step /= 2
    return [i * step for i in range(int(high / step) + 2)]


def number(value):
    for scale, letter in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if abs(value) >= scale:
            return f'{value / scale:.3g} {letter}'
    return f'{value:.3g}'


def _scale(low, high, log, begin, end):
    if log:
        low, high = math.log10(low), math.log10(high)
        return lambda v: begin + (math.log10(max(v, 1e-12)) - low) / ((high - low) or 1) * (end - begin)
    return lambda v: begin + (v - low) / ((high - low) or 1) * (end - begin)


def _frame(title, body, names):
    legend, x, y = [], LEFT, HEIGHT + 14
    for i, name in enumerate(names):
        width = 36 + 7 * len(name)  # as wide as the usual fonts make it
        if x + width > WIDTH:
            x, y = LEFT, y + 18
        legend.append(f'<rect class="f{i % SERIES}" x="{x}" y="{y - 8}" width="12" height="8" rx="2"/>'
                      f'<text x="{x + 16}" y="{y}">{html.escape(name)}</text>')
        x += width
    return (f'<figure><figcaption>{html.escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {y + 8}" role="img" '
            f'aria-label="{html.escape(title)}">{"".join(body)}{"".join(legend)}</svg></figure>')


def lines(title, series, x_label, y_label, log_x=False, log_y=False, categories=None):
    """series: name -> [(x, y, least, most)] or [(x, y)]. With `categories` x counts them."""
    points = [p for values in series.values() for p in values]
    if not points:
        return ''
    xs, ys = [p[0] for p in points], [v for p in points for v in p[1:]]
    y_ticks = _ticks(max(min(ys), 1e-9), max(ys), log_y)
    x_of = _scale(min(xs), max(xs), log_x, LEFT + 12, WIDTH - RIGHT - 12)
    y_of = _scale(y_ticks[0], y_ticks[-1], log_y, HEIGHT - BOTTOM, TOP)
    body = []
    for tick in y_ticks:
        y = y_of(tick)
        body.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                    f'<text class="y" x="{LEFT - 6}" y="{y + 4:.1f}">{number(tick)}</text>')
    few = not log_x or len(set(xs)) < 12
    for x in sorted(set(xs)) if few else (t for t in _ticks(min(xs), max(xs), True) if min(xs) <= t <= max(xs)):
        name = categories[int(x)] if categories else number(x)
        body.append(f'<text class="x" x="{x_of(x):.1f}" y="{HEIGHT - BOTTOM + 18}">{html.escape(str(name))}</text>')
    for i, (name, values) in enumerate(series.items()):
        values = sorted(values)
        path = ' '.join(f'{x_of(p[0]):.1f},{y_of(p[1]):.1f}' for p in values)
        body.append(f'<polyline class="s{i % SERIES}" points="{path}"/>')
        if len(values) > 40:
            continue
        for p in values:
            x = x_of(p[0])
            if len(p) > 2:
                body.append(f'<line class="s{i % SERIES} thin" x1="{x:.1f}" x2="{x:.1f}" y1="{y_of(p[2]):.1f}" '
                            f'y2="{y_of(p[3]):.1f}"/>')
            body.append(f'<circle class="f{i % SERIES}" cx="{x:.1f}" cy="{y_of(p[1]):.1f}" r="3">'
                        f'<title>{html.escape(name)}: {number(p[1])}</title></circle>')
    body.append(f'<text class="x" x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}">{html.escape(x_label)}</text>'
                f'<text class="y0" x="4" y="{TOP - 18}">{html.escape(y_label)}</text>')
    return _frame(title, body, list(series))

"""Runs in turn, A B A B, and what they come to: medians with their spread."""
import contextlib
import pathlib
import statistics
import subprocess
import tempfile

from harness.machine import BenchError, Watch
from harness.subjects import SUBJECTS
from harness.wires import wire


def once(options, subject, scenario):
    """One run on a wire of its own. A failure counts as such and does not end the bench: it stands in the table."""
    with Watch() as watch:
        with tempfile.TemporaryDirectory(prefix='ffbench') as folder, contextlib.ExitStack() as stack:
            try:
                on = stack.enter_context(wire(scenario.wire))
                result = SUBJECTS[subject](options, scenario, on, pathlib.Path(folder), stack)
            except (BenchError, subprocess.TimeoutExpired, ValueError, KeyError) as problem:
                result = {'failed': str(problem) or type(problem).__name__}
    result['others'], result['steal'] = round(watch.others, 3), round(watch.steal, 4)
    if watch.void():
        result['void'] = watch.void()
    return result


def told(result):
    """A run in a few words."""
    if 'failed' in result:
        return f"FAILED: {result['failed']}"
    text = f"{result['messages_per_second'] / 1e6:8.3f} M messages/s {result['gbit_per_second']:7.2f} Gbit/s"
    if 'delay' in result:
        d = result['delay']
        text += f"  p50 {d['p50'] / 1e3:.1f} us, p99 {d['p99'] / 1e3:.1f} us, p99.9 {d['p999'] / 1e3:.1f} us"
    if result.get('repaired', {}).get('count'):
        r = result['repaired']
        text += f"; {r['count']} repaired, p50 {r['p50'] / 1e3:.1f} us, p99 {r['p99'] / 1e3:.1f} us"
    notes = ', '.join(f'{k} {v}' for k, v in sorted(result.get('counters', {}).items()) if v)
    if result.get('lost'):
        notes += f" lost {result['lost']}"
    if 'void' in result:
        notes += f"  VOID: {result['void']}"
    return f'{text}  {notes}'.rstrip()


def alternate(options, cases):
    """cases: label -> (subject, scenario). Each runs options.pairs times, in turn; label -> results."""
    results = {label: [] for label in cases}
    for pair in range(options.pairs):
        for label, (subject, scenario) in cases.items():
            result = once(options, subject, scenario)
            results[label].append(result)
            print(f'{pair + 1:3} {label:32} {told(result)}', flush=True)
    return results


def summary(results, value=lambda r: r['messages_per_second']):
    """Median and spread of the runs that count; None when none does. Where all are void, the void ones stand, marked."""
    good = [r for r in results if 'failed' not in r]
    counted = [r for r in good if 'void' not in r]
    voided = len(good) - len(counted)
    numbers = [value(r) for r in (counted or good)]
    if not numbers:
        return None
    return {'median': statistics.median(numbers), 'least': min(numbers), 'most': max(numbers), 'runs': len(numbers),
            'failed': len(results) - len(good), 'void': voided, 'all_void': not counted}


def summary_line(label, total, unit='M messages/s', scale=1e6):
    if total is None:
        return f'{label:32} no run succeeded'
    notes = f", {total['failed']} failed" if total['failed'] else ''
    notes += f", {total['void']} void" if total['void'] else ''
    return (f"{label:32} median {total['median'] / scale:.3f} {unit}, {total['least'] / scale:.3f} to "
            f"{total['most'] / scale:.3f}, {total['runs']} runs{notes}")

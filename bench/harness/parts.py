"""Benches that are programs of their own: Google Benchmark's, cores under load, fan-out, bounces, instruction counts."""
import json
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

from harness.machine import BenchError, Watch
from harness.programs import start
from harness.turns import summary


def output(*argv, timeout=120):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise BenchError(f'{pathlib.Path(argv[0]).name}: {done.stderr.strip()[-300:] or done.returncode}')
    return done.stdout


def micro(options, program, pattern, *counters):
    """For each of the counters: benchmark's name -> summary over the repetitions, which a Watch stands around."""
    path = options.build / 'bench' / program
    if not path.exists():
        raise BenchError(f'{path} was not built')
    with tempfile.NamedTemporaryFile(suffix='.json') as out, Watch() as watch:
        output(path, f'--benchmark_filter={pattern}', f'--benchmark_repetitions={options.pairs}',
               f'--benchmark_min_time={0.01 if options.quick else 0.3}', f'--benchmark_out={out.name}',
               '--benchmark_out_format=json', timeout=1200)
        runs = json.loads(pathlib.Path(out.name).read_text())['benchmarks']
    values = {}
    for run in runs:
        if run.get('error_occurred'):
            raise BenchError(f"{run['name']}: {run.get('error_message')}")
        if run.get('run_type') != 'aggregate':
            values.setdefault(run['run_name'].removesuffix('/manual_time'), []).append(run)
    if not values:
        raise BenchError(f'{program} has no bench {pattern}')
    if watch.void():
        for results in values.values():
            for result in results:
                result['void'] = watch.void()
    return [{name: summary(results, lambda r: r[counter]) for name, results in values.items()} for counter in counters]


def in_turn(options, cases):
    """label -> function that gives one result; each options.pairs times, in turn. label -> results."""
    results = {label: [] for label in cases}
    for _ in range(options.pairs):
        for label, once in cases.items():
            with Watch() as watch:
                try:
                    result = once()
                except (BenchError, subprocess.TimeoutExpired, ValueError) as problem:
                    result = {'failed': str(problem)}
            if watch.void():
                result['void'] = watch.void()
            results[label].append(result)
            shown = {k: v for k, v in result.items() if isinstance(v, (int, float, str))}
            print(f'    {label:32} {shown}', flush=True)
    return results


def load(options, *words):
    """One run of bench/core_load.cpp."""
    return json.loads(output(options.build / 'bench/core_load', *words))


def fan_out(options, readers, pace, seconds):
    return json.loads(output(options.build / 'bench/fan_out', readers, pace, seconds, *options.cores))


def instructions(options, what, packets=16384):
    """Instructions a message, counted by valgrind at the AVX2 level."""
    done = subprocess.run(['valgrind', '--tool=callgrind', '--toggle-collect=fanfare_counted',
                           '--callgrind-out-file=/dev/null', str(options.build / 'bench/core_count'), what,
                           str(packets)], capture_output=True, text=True, timeout=300)
    found = re.search(r'Collected : (\d+)', done.stderr)
    if done.returncode != 0 or not found:
        raise BenchError(f'core_count {what}: {done.stderr.strip()[-200:]}')
    return int(found[1]) / json.loads(done.stdout)['messages']


def null_io(options, cores, stack, seconds):
    """testpmd in io mode on net_null ports, one process a core: packets a second of all together."""
    sides = []
    for core in cores:
        floats = '(' + ','.join(map(str, sorted(set(options.cores)))) + ')'
        side = subprocess.Popen(
            ['dpdk-testpmd', '--lcores', f'0@{floats},1@{core}', '--main-lcore', '0', '--no-pci', '--no-huge', '-m',
             '256', '--no-telemetry', '--no-shconf', '--file-prefix', f'ffbnull{core}', '--vdev', 'net_null0,size=64',
             '--vdev', 'net_null1,size=64', '--', '--nb-cores', '1', '--forward-mode', 'io', '--total-num-mbufs',
             '4096', '--stats-period', '1'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        stack.callback(stop, side)
        sides.append(side)
    time.sleep(seconds + 4)
    rates = []
    for side in sides:
        stop(side)
        said = side.stdout.read()
        found = [int(x) for x in re.findall(r'Rx-pps:\s+(\d+)', said)]
        if len(found) < 4:
            raise BenchError(f'testpmd: {said.strip()[-200:]}')
        # Two ports a period; the first periods fill pools.
        pairs = [a + b for a, b in zip(found[::2], found[1::2])]
        rates.append(statistics.median(pairs[1:]))
    return {'together': sum(rates), 'packets_per_second': rates}


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def bounce(options, scenario, wire, stack):
    """A raw frame there and back on a wire's ports: half round trips."""
    program = options.build / 'bench/peers/raw_bounce'
    if not program.exists():
        raise BenchError(f'{program} was not built: libdpdk-dev is missing')
    sides = []
    for side, way in ((1, 'answer'), (0, 'ask')):
        eal = ['--lcores', f'0@{options.cores[side]}', '--no-pci', '--no-huge', '-m', '128', '--no-telemetry',
               '--no-shconf', '--file-prefix', f'{wire.names[side]}b{side}', '--vdev', wire.vdev(side)]
        sides.append(start(stack, wire.names[side], [
            program, way, scenario.frame_octets(), scenario.seconds, scenario.pace, '--', *eal], options.cores[side]))
        sides[-1].expect('ready')
    said = sides[1].finish(scenario.seconds + 30, [sides[0]])
    half = json.loads(said.splitlines()[-1])['half_round']
    return {'messages_per_second': scenario.pace, 'gbit_per_second': 0.0, 'messages': half['count'],
            'seconds': scenario.seconds, 'delay': half}



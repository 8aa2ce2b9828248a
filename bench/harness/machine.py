"""What machine this is, what it was doing, and whether a run on it can be believed."""
import datetime
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
# Cores' worth of other work before a bench that refuses it, and during a run that becomes void.
LOAD_MAX = 0.2
# Cores that the hypervisor may take during a run: shared hosts take a few percent always.
STEAL_MAX = 0.15


class BenchError(Exception):
    """What went wrong, in one line."""


def cpu_times():
    """Seconds of all cores since boot: (busy in programs and the kernel, stolen). Interrupts are left out: on a veth
    pair they are the bench's own packets."""
    user, nice, system, _, _, _, _, steal = [int(x) for x in open('/proc/stat').readline().split()[1:9]]
    ticks = os.sysconf('SC_CLK_TCK')
    return (user + nice + system) / ticks, steal / ticks


def busy_share(seconds=0.5):
    """Cores' worth of work that others do now."""
    before, _ = cpu_times()
    time.sleep(seconds)
    return (cpu_times()[0] - before) / seconds


def own_seconds():
    """CPU seconds of this process and of its children that have ended."""
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage,
                                                    (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


class Watch:
    """Around one run, whose programs have all ended when it ends: what others and the hypervisor took meanwhile."""

    def __enter__(self):
        self.began = time.monotonic()
        self.times = cpu_times()
        self.own = own_seconds()
        return self

    def __exit__(self, *_):
        took = max(time.monotonic() - self.began, 1e-3)
        busy, steal = (later - earlier for later, earlier in zip(cpu_times(), self.times))
        self.others = max(0.0, (busy - (own_seconds() - self.own)) / took)
        self.steal = steal / took
        return False

    def void(self):
        """Why the run does not count; None when it does."""
        if self.steal > STEAL_MAX:
            return f'the hypervisor took {self.steal:.1%} of a core'
        if self.others > LOAD_MAX:
            return f'other programs took {self.others:.2f} cores'
        return None


def core_distance(build, cores):
    """Nanoseconds for a cache line there and back between the two cores; None when it can't be measured."""
    program = build / 'bench/peers/core_distance'
    if not program.exists() or len(set(cores)) < 2:
        return None
    done = subprocess.run([str(program), *map(str, cores)], capture_output=True, text=True, timeout=20)
    return int(done.stdout) if done.returncode == 0 else None


def stalls(build, cores, seconds):
    """The machine's own stalls: for each core the gaps of a thread that only reads the time-stamp counter."""
    program = build / 'bench/peers/stalls'
    if not program.exists():
        return None
    done = subprocess.run([str(program), str(seconds), *map(str, cores)], capture_output=True, text=True,
                          timeout=seconds + 20)
    return json.loads(done.stdout) if done.returncode == 0 else None


def facts():
    """What stands beside every figure."""
    model = next((line.split(':', 1)[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), '?')
    flags = next((line for line in open('/proc/cpuinfo') if line.startswith('flags')), '').split()
    commit = subprocess.run(['git', '-C', str(TOP), 'describe', '--always', '--dirty'], capture_output=True, text=True)
    return {'cpu': model, 'cpus': os.cpu_count(), 'avx512': 'avx512bw' in flags, 'kernel': platform.release(),
            'commit': commit.stdout.strip() or '?', 'command': sys.argv,
            'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC')}


def before(options):
    """The facts, and a refusal when the machine is busy with something else."""
    load = busy_share()
    if load > LOAD_MAX and not options.anyway:
        raise BenchError(f'{load:.1f} cores are busy with something else; wait for it to end, or say --anyway')
    return {**facts(), 'load_before': round(load, 2), 'core_distance_ns_before': core_distance(options.build, options.cores)}


def after(options, known):
    """The facts once more, for what may have moved."""
    known['core_distance_ns_after'] = core_distance(options.build, options.cores)
    return known


def line(known):
    """One line for a terminal."""
    return (f"{known['cpu']}, {known['cpus']} cores, kernel {known['kernel']}, commit {known['commit']}, "
            f"{known['date']}; load before {known['load_before']}, a cache line there and back "
            f"{known['core_distance_ns_before']} ns")

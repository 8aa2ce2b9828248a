#!/usr/bin/env python3
"""scripts/check-host on made-up machines: every finding both ways, whatever is missing, and no change to anything.

    check_host_test.py SCRIPT [CONF-FOLDER]
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = sys.argv.pop(1)
CONF = sys.argv.pop(1) if len(sys.argv) > 1 else None
GIB = 1 << 30

_loader = importlib.machinery.SourceFileLoader("check_host", SCRIPT)
check_host = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_host", _loader))
sys.dont_write_bytecode = True
_loader.exec_module(check_host)
ALL = format((1 << 41) - 1, "x")

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
CARD = "/sys/class/net/eth1"

# A machine with nothing to complain about: 8 CPUs on two nodes, workers on 2 and 3, a card on their node.
GOOD = {
    "/proc/sys/kernel/osrelease": "6.12.1-amd64",
    "/proc/cpuinfo": "processor : 0\nflags : fpu tsc constant_tsc nonstop_tsc avx2",
    "/proc/cmdline": "root=/dev/sda1 isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3",
    "/proc/meminfo": "MemTotal: 65536000 kB\nMemAvailable: 60000000 kB",
    "/proc/self/limits": "Max locked memory         unlimited            unlimited            bytes",
    "/proc/self/status": f"Name: x\nCapEff:\t{ALL}",
    "/proc/swaps": "Filename Type Size Used Priority",
    "/proc/1/comm": "systemd",
    "/proc/net/route": "Iface Destination Gateway\neth0 00000000 0101A8C0\neth1 0000000A 00000000",
    "/proc/sys/net/core/rmem_max": str(32 << 20),
    "/proc/irq/40/smp_affinity_list": "0-1",
    "/proc/irq/41/smp_affinity_list": "1",
    "/etc/group": "root:x:0:\nfeed:x:990:",
    "/run/fanfare/": 0o755,
    f"{CPU}/online": "0-7",
    f"{CPU}/isolated": "2-3",
    f"{CPU}/nohz_full": "2-3",
    f"{CPU}/vulnerabilities/spectre_v2": "Mitigation: IBRS",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "/sys/fs/cgroup/memory.max": str(8 * GIB),
    "/statvfs/dev/shm": str(GIB),
    f"{NODE}/node0/cpulist": "0-3",
    f"{NODE}/node1/cpulist": "4-7",
    f"{NODE}/node0/hugepages/hugepages-2048kB/free_hugepages": "1024",
    f"{CARD}/operstate": "up",
    f"{CARD}/mtu": "1500",
    f"{CARD}/napi_defer_hard_irqs": "2",
    f"{CARD}/gro_flush_timeout": "200000",
    f"{CARD}/queues/rx-0/": 0o755,
    f"{CARD}/queues/rx-1/": 0o755,
    f"{CARD}/queues/tx-0/": 0o755,
    f"{CARD}/device/driver": ("link", "../drivers/ice"),
    f"{CARD}/device/numa_node": "0",
    f"{CARD}/device/msi_irqs/40": "msix",
    f"{CARD}/device/msi_irqs/41": "msix",
    "/ethtool/eth1": "generic-receive-offload: off\nlarge-receive-offload: off\ntx-checksumming: on",
    # A virtual cable.
    "/sys/class/net/veth0/operstate": "up",
    "/sys/class/net/veth0/mtu": "1500",
    "/sys/class/net/veth0/iflink": "9",
    "/sys/class/net/veth0/queues/rx-0/": 0o755,
    "/ethtool/veth0": "generic-receive-offload: off\nlarge-receive-offload: off\ntx-checksumming: off",
    "/sys/class/net/br0/bridge/multicast_snooping": "1",
    "/sys/class/net/br0/bridge/multicast_querier": "1",
    # A card for DPDK's own driver.
    "/sys/bus/pci/devices/0000:01:00.0/driver": ("link", "../../bus/pci/drivers/vfio-pci"),
    "/sys/bus/pci/devices/0000:01:00.0/numa_node": "0",
    "/sys/class/iommu/dmar0/": 0o755,
    "/dev/vfio/vfio": "",
}
for _cpu in (2, 3):
    GOOD[f"{CPU}/cpu{_cpu}/cpufreq/scaling_governor"] = "performance"
    GOOD[f"{CPU}/cpu{_cpu}/topology/thread_siblings_list"] = str(_cpu)
    GOOD[f"{CPU}/cpu{_cpu}/cpuidle/state3/name"] = "C6"
    GOOD[f"{CPU}/cpu{_cpu}/cpuidle/state3/latency"] = "133"
    GOOD[f"{CPU}/cpu{_cpu}/cpuidle/state3/disable"] = "1"
DEVICES = ("eth1", "feed,10.0.0.1/24,kernel,iface=eth1", "01:00.0", "b,10.0.1.1/24,net_af_packet0,iface=veth0")
WANTED = ("--lcores", "2-3")

# Each: check, level, what is different, words of the line that says what to do, more arguments.
FAULTS = [
    ("kernel", "wrong", {"/proc/sys/kernel/osrelease": "4.19.0-1"}, "5.10"),
    ("virtual_machine", "advise", {"/proc/cpuinfo": "flags : constant_tsc nonstop_tsc hypervisor"}, "vcpupin"),
    ("lcores", "wrong", {f"{CPU}/online": "0-2"}, "0-2"),
    ("cores_left", "advise", {f"{CPU}/online": "2-3"}, "sleep"),
    ("isolcpus", "advise", {f"{CPU}/isolated": "2"}, "isolcpus=2-3"),
    ("nohz_full", "advise", {f"{CPU}/nohz_full": "(null)"}, "nohz_full=2-3"),
    ("rcu_nocbs", "advise", {"/proc/cmdline": "quiet", f"{CPU}/nohz_full": ""}, "rcu_nocbs=2-3"),
    ("governor", "advise", {f"{CPU}/cpu3/cpufreq/scaling_governor": "powersave"}, "cpupower -c 2-3 frequency-set"),
    ("sleep_states", "advise", {f"{CPU}/cpu2/cpuidle/state3/disable": "0"}, "idle-set", "sleep"),
    ("smt", "wrong", {f"{CPU}/cpu2/topology/thread_siblings_list": "2-3"}, "lscpu"),
    ("smt", "advise", {f"{CPU}/cpu2/topology/thread_siblings_list": "2,6"}, "cpu6/online"),
    ("smt", "advise", {f"{CPU}/cpu2/topology/thread_siblings_list": "0,2"}, "can't be switched off"),
    ("smt", "advise", {f"{CPU}/cpu2/topology/thread_siblings_list": "1-2", f"{CPU}/online": "1-3"}, "no CPU is left"),
    ("clocksource", "wrong", {"/sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"}, "tsc"),
    ("clocksource", "advise", {"/sys/devices/system/clocksource/clocksource0/current_clocksource": "kvm-clock"}, "tsc"),
    ("tsc", "wrong", {"/proc/cpuinfo": "flags : fpu tsc"}, "invtsc"),
    ("huge_pages", "advise", {f"{NODE}/node0/hugepages/hugepages-2048kB/free_hugepages": "3"}, "node0"),
    ("transparent_huge_pages", "advise", {"/sys/kernel/mm/transparent_hugepage/enabled": "[always] never"}, "madvise"),
    ("memory", "wrong", {"/proc/meminfo": "MemAvailable: 1024000 kB"}, "total_mib = 500"),
    ("memory_cgroup", "wrong", {"/sys/fs/cgroup/memory.max": str(GIB)}, "container"),
    ("memlock", "advise", {"/proc/self/limits": "Max locked memory  65536 65536 bytes",
                           "/proc/self/status": "CapEff:\t0"}, "LimitMEMLOCK"),
    ("shared_memory", "advise", {"/statvfs/dev/shm": "1048576"}, "--shm-size"),
    ("swap", "advise", {"/proc/swaps": "Filename\n/dev/sda2 partition 1 0 -2", "/proc/sys/vm/swappiness": "60"},
     "swapoff"),
    ("irqbalance", "advise", {"/proc/77/comm": "irqbalance"}, "IRQBALANCE_BANNED_CPULIST=2-3"),
    ("run_folder", "wrong", {"/run/fanfare/": 0o777}, "chmod o-w"),
    ("group", "wrong", {"/etc/group": "root:x:0:"}, "groupadd --system feed", "group"),
    ("bridge_querier", "wrong", {"/sys/class/net/br0/bridge/multicast_querier": "0"}, "mcast_querier 1"),
    ("capabilities", "wrong", {"/proc/self/status": "CapEff:\t0000000000002000"}, "AmbientCapabilities"),
    ("device", "wrong", {f"{CARD}/": None}, "ip link"),
    ("device", "wrong", {"/sys/bus/pci/devices/0000:01:00.0/": None}, "lspci"),
    ("pci_driver", "wrong", {"/sys/bus/pci/devices/0000:01:00.0/driver": ("link", "../drivers/ice")},
     "--bind=vfio-pci 0000:01:00.0"),
    ("iommu", "advise", {"/sys/class/iommu/dmar0/": None}, "intel_iommu=on"),
    ("vfio", "wrong", {"/dev/vfio/vfio": None}, "modprobe"),
    ("link", "wrong", {f"{CARD}/operstate": "down"}, "eth1 up"),
    ("numa", "advise", {f"{CARD}/device/numa_node": "1"}, "4-7"),
    ("default_route", "wrong", {"/proc/net/route": "Iface Destination Gateway\neth1 00000000 0101A8C0"}, "--take-over"),
    ("mtu", "wrong", {f"{CARD}/mtu": "9000"}, "mtu 3500"),
    ("lro", "wrong", {"/ethtool/eth1": "large-receive-offload: on"}, "eth1 lro off"),
    ("gro", "advise", {"/ethtool/veth0": "generic-receive-offload: on"}, "veth0 gro off"),
    ("veth_checksum", "advise", {"/ethtool/veth0": "tx-checksumming: on"}, "veth0 tx off"),
    ("queues", "advise", {f"{CARD}/queues/rx-2/": 0o755}, "combined 2"),
    ("zero_copy", "advise", {f"{CARD}/device/driver": ("link", "../drivers/e1000")}, "ice"),
    ("busy_poll", "advise", {f"{CARD}/gro_flush_timeout": "0"}, "eth1/gro_flush_timeout"),
    ("rmem", "advise", {"/proc/sys/net/core/rmem_max": "212992", "/proc/self/status": "CapEff:\t0"},
     "rmem_max=16777216"),
    ("io_uring", "wrong", {"/proc/sys/kernel/osrelease": "5.15.0"}, "6.1"),
    ("io_uring", "wrong", {"/proc/sys/kernel/io_uring_disabled": "2"}, "io_uring_disabled=0"),
    ("io_uring", "wrong", {"/proc/sys/kernel/io_uring_disabled": "1", "/proc/self/status": "CapEff:\t0"},
     "io_uring_disabled=0"),
    ("interrupts", "advise", {"/proc/irq/41/smp_affinity_list": "0-7"}, "/proc/irq/41/"),
]
NEVER_WRONG = {"mitigations", "isolation"}  # said, not judged


class Machine:
    """A tree of files below a folder of its own."""

    def __init__(self, *layers):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.root = pathlib.Path(self.folder.name)
        unittest.addModuleCleanup(self.folder.cleanup)
        files = {}
        for layer in layers:
            for path, content in layer.items():
                if content is None:
                    files = {p: c for p, c in files.items() if not p.startswith(path)}
                else:
                    files[path] = content
        for path, content in files.items():
            place = self.root / path.strip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, tuple):
                place.symlink_to(content[1])
            elif isinstance(content, int):
                place.mkdir(exist_ok=True)
                place.chmod(content)
            else:
                place.write_text(content + "\n", encoding="utf-8")

    def check(self, *arguments):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = check_host.main(["--root", str(self.root), "--json", *arguments])
        return status, json.loads(said.getvalue())

    def config(self, text):
        place = self.root / "fanfare.toml"
        place.write_text(text, encoding="utf-8")
        return "--config", str(place)


def flags(devices=DEVICES):
    return [*WANTED, *(word for device in devices for word in ("--interface", device))]


def levels_of(findings, check):
    return {f["level"] for f in findings if f["check"] == check}


class CheckHost(unittest.TestCase):
    def test_a_machine_in_order_has_nothing_but_ok(self):
        machine = Machine(GOOD)
        status, findings = machine.check(*flags(), *machine.config('[daemon]\ngroup = "feed"\n'))
        self.assertEqual([f for f in findings if f["level"] != "ok"], [])
        self.assertEqual(status, 0)
        # So every fault below has been seen the other way round too.
        seen = {f["check"] for f in findings}
        self.assertEqual({fault[0] for fault in FAULTS} - seen - {"device"}, set())

    def test_each_fault_is_found_and_comes_with_the_change(self):
        for check, level, difference, words, *more in FAULTS:
            with self.subTest(check=check, level=level):
                machine = Machine(GOOD, difference)
                text = '[daemon]\nidle = "sleep"\n' if "sleep" in more else '[daemon]\ngroup = "feed"\n'
                status, findings = machine.check(*flags(), *machine.config(text))
                found = [f for f in findings if f["check"] == check and f["level"] == level]
                self.assertTrue(found, [f for f in findings if f["check"] == check])
                self.assertTrue(any(words in f["change"] for f in found), found)
                self.assertTrue(all(f["why"] for f in found), found)
                self.assertEqual(status, 1 if any(f["level"] == "wrong" for f in findings) else 0)

    def test_every_check_was_seen_both_ways(self):
        _, findings = Machine(GOOD).check(*flags())
        self.assertEqual({f["check"] for f in findings} - {fault[0] for fault in FAULTS} - NEVER_WRONG, set())

    def test_an_empty_machine_is_no_crash(self):
        for devices in ((), DEVICES):
            machine = Machine({"/x": "y"})
            _, findings = machine.check(*flags(devices))
            self.assertTrue(any("can't be told here" in f["seen"] for f in findings))

    def test_files_of_rubbish_are_no_crash(self):
        rubbish = {path: "\x01 ~ -1 [" for path, content in GOOD.items() if isinstance(content, str)}
        _, findings = Machine(GOOD, rubbish).check(*flags())
        self.assertTrue(findings)

    def test_a_worker_that_sleeps_needs_no_isolation(self):
        machine = Machine(GOOD, {f"{CPU}/isolated": "", f"{CPU}/nohz_full": "", "/proc/cmdline": "quiet"})
        _, findings = machine.check(*WANTED, *machine.config('[daemon]\nidle = "sleep"\n'))
        self.assertEqual(levels_of(findings, "isolation"), {"ok"})
        self.assertEqual(levels_of(findings, "isolcpus"), set())

    def test_the_boot_cpu_is_never_advised_to_be_isolated_and_another_is_named(self):
        bare = {f"{CPU}/isolated": "", f"{CPU}/nohz_full": "", "/proc/cmdline": "quiet",
                f"{CPU}/cpu0/topology/thread_siblings_list": "0-1"}
        for lcores, more, devices, better in (
                ("0", {}, (), "2"),                                     # no thread of CPU 0's core
                ("0,2", {}, (), "2-3"),
                ("0", {f"{CARD}/device/numa_node": "1"}, ("eth1",), "4"),  # on the card's node
                ("0", {f"{CPU}/isolated": "6"}, (), "6"),               # free already
                ("0,2", {f"{CPU}/online": "0-2"}, (), "2")):            # no more of them
            _, findings = Machine(GOOD, bare, more).check(
                "--lcores", lcores, *(word for device in devices for word in ("--interface", device)))
            for check in ("isolcpus", "nohz_full", "rcu_nocbs"):
                change = next(f["change"] for f in findings if f["check"] == check)
                self.assertIn(f"--lcores {better}, and kernel argument {check}={better} (", change)
        _, findings = Machine(GOOD, bare, {f"{CPU}/online": "0-1"}).check("--lcores", "0")
        self.assertIn("--idle sleep", next(f["change"] for f in findings if f["check"] == "isolcpus"))
        # Where somebody has done it, it is said as well.
        _, findings = Machine(GOOD, bare, {f"{CPU}/isolated": "0"}).check("--lcores", "0")
        self.assertEqual(levels_of(findings, "isolcpus"), {"advise"})

    def test_a_kernel_port_is_judged_by_what_it_needs(self):
        machine = Machine(GOOD, {"/sys/class/net/veth0/mtu": "65536", "/proc/sys/net/core/rmem_max": "212992",
                                 "/ethtool/veth0": "large-receive-offload: on\ntx-checksumming: on"})
        status, findings = machine.check(*flags(("feed,10.0.0.1/24,kernel,iface=veth0",)))
        self.assertEqual([f for f in findings if f["level"] != "ok"], [])
        self.assertEqual(status, 0)

    def test_the_configuration_says_cores_devices_and_memory_and_flags_win(self):
        machine = Machine(GOOD)
        config = machine.config('[daemon]\nlcores = "6"\ntake_over = true\n[memory]\ntotal_mib = 100000\n'
                                '[[interface]]\nname = "f"\naddress = "10.0.0.1/24"\n'
                                'device = "net_af_xdp0,iface=eth1"\nmtu = 9000\n')
        _, findings = machine.check(*config)
        self.assertEqual(levels_of(findings, "numa"), {"advise"})
        self.assertEqual(levels_of(findings, "memory"), {"wrong"})
        self.assertEqual(levels_of(findings, "mtu"), {"wrong"})
        _, findings = machine.check(*config, "--lcores", "2")
        self.assertEqual(levels_of(findings, "numa"), {"ok"})

    def test_the_shipped_profiles_are_understood(self):
        if CONF is None:
            self.fail("the second argument names the folder of the profiles")
        for profile in ("latency", "throughput", "shared-core"):
            status, _ = Machine(GOOD).check("--config", f"{CONF}/{profile}.toml", "--interface", "eth1")
            self.assertEqual(status, 0, profile)

    def test_a_wrong_call_is_named_with_status_2(self):
        for arguments, words in ((["--lcores", "a"], "--lcores a"), (["--lcores", ""], "--lcores"),
                                 (["--config", "/nowhere.toml"], "/nowhere.toml"), (["--nonsense"], "--nonsense")):
            run = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=60,
                                 check=False)
            self.assertEqual(run.returncode, 2, arguments)
            self.assertIn(words, run.stderr)

    def test_this_machine_gets_an_answer_in_words(self):
        run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=60, check=False)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        self.assertRegex(run.stdout.splitlines()[-1], r"^\d+ ok, \d+ advised, \d+ wrong$")


if __name__ == "__main__":
    unittest.main()

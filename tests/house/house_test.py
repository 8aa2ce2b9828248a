#!/usr/bin/env python3
"""The order of the house, read from the sources: includes run only downwards, rooms know only what is below them,
files stay small and narrow, and nothing is left unfinished. docs/architecture.md has the picture.

    house_test.py [ROOT]
"""
import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
ROOMS = ("engine", "ipc", "client", "dataplane", "control", "embed", "sim", "apps", "bench", "tests")
CODE = (".hpp", ".cpp", ".h", ".c")
OTHER_TEXT = (".py", ".sh", ".build")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
LINES_MAX = 500
COLUMNS_MAX = 100

# Room -> what it may include with quotes: a directory ends in "/", anything else is one file. The first room that a
# file's path begins with counts. bench and tests see everything and have no entry.
PUBLIC = ("fanfare/", "wsrm.h")
ALLOWED = [
    ("engine/", ("engine/",)),
    ("ipc/", ("ipc/", "engine/types.hpp", "engine/core/window_layout.hpp")),
    ("client/", ("client/", "ipc/", "engine/types.hpp", "engine/core/window_layout.hpp") + PUBLIC),
    ("dataplane/", ("dataplane/", "engine/", "ipc/")),
    # The worker's configuration and the names that status prints are part of what control and workers say.
    ("control/", ("control/", "ipc/", "engine/core/profile.hpp", "engine/core/receiver.hpp", "engine/core/source.hpp",
                  "engine/checksum/checksum.hpp", "engine/wire/names.hpp", "engine/wire/packet.hpp",
                  "engine/types.hpp", "engine/core/window_layout.hpp", "dataplane/commands.hpp",
                  "dataplane/datagram_table.hpp", "dataplane/repair_store.hpp",
                  "dataplane/worker_config.hpp") + PUBLIC),
    ("embed/", ("embed/", "dataplane/", "control/", "client/", "ipc/", "engine/types.hpp",
                "engine/checksum/checksum.hpp") + PUBLIC),
    # The simulator: production workers and client core, or engine objects, in virtual time.
    ("sim/", ("sim/", "dataplane/", "client/core/", "ipc/", "engine/")),
    ("apps/", ("apps/", "sim/", "embed/", "dataplane/", "control/", "client/", "ipc/", "engine/") + PUBLIC),
]
# Room -> what it may not include although the list above holds it.
EXCEPT = [
    ("client/core/", "client/socket/"),  # no system call there: it runs in the simulator too
    ("dataplane/dpdk/", None),
    ("sim/", "dataplane/dpdk/"),
    ("dataplane/", "dataplane/dpdk/"),  # everything but that directory builds without DPDK
]
# The engine is pure: no OS call, no clock, no atomics, no threads, no logging. A header of C or of the system has a dot
# or a slash in its name; of those only the compiler's own intrinsics are let in.
ENGINE_C_HEADERS = ("immintrin.h", "x86intrin.h", "arm_neon.h")
ENGINE_FORBIDDEN = frozenset(
    "atomic barrier cerrno chrono condition_variable csetjmp csignal cstdio ctime filesystem format fstream future "
    "iomanip iostream istream latch mutex ostream print semaphore shared_mutex sstream stop_token stdatomic.h "
    "syncstream thread".split())

# Split, so that this file does not hold what it looks for.
UNFINISHED = re.compile(
    r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|(?i:\bst" r"ubs?\b|\bplace" r"holders?\b|\bfor n" r"ow\b|\bsimpl" r"ified\b|"
    r"\bnot imple" r"mented\b|\bunimple" r"mented\b)")
FOREIGN = re.compile(r"(?<![\w.])/wo" r"rk/|\.\./sha" r"red\b")


def room_entry(table, name):
    """The value of the first (prefix, value) of `table` whose prefix begins `name`; None when there is none."""
    return next((value for prefix, value in table if name.startswith(prefix)), None)


def permitted(target, allowed):
    return any(target.startswith(entry) if entry.endswith("/") else target == entry for entry in allowed)


def include_faults(name, kind, target):
    """What is wrong with one #include of the file `name`; `kind` is the opening quote or bracket."""
    allowed = room_entry(ALLOWED, name)
    room = name.split("/")[0]
    if target.startswith("rte_") and not name.startswith(("dataplane/dpdk/", "tests/", "bench/")):
        yield f"DPDK's headers belong to dataplane/dpdk alone, not to {room}: {target}"
    if target.startswith(("bench/", "tests/")) and not name.startswith(("bench/", "tests/")):
        yield f"nothing includes bench or tests: {target}"
    elif target.split("/")[0] in ROOMS or kind == '"':
        excepted = room_entry(EXCEPT, name)
        if allowed is not None and (".." in target.split("/") or not permitted(target, allowed)):
            yield f"{room} may not include {target}"
        elif excepted is not None and target.startswith(excepted):
            yield f"{name.rsplit('/', 1)[0]} may not include {target}"
    elif name.startswith("engine/"):
        is_c = "." in target or "/" in target
        if target in ENGINE_FORBIDDEN or (is_c and target not in ENGINE_C_HEADERS):
            yield f"the engine is pure and may not include <{target}>"


def faults_of(name, text):
    """What is wrong with the file `name` (path from the root) whose content is `text`."""
    faults = []
    lines = text.splitlines()
    code = name.endswith(CODE)
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        match = INCLUDE.match(line) if code else None
        if match:
            faults += [f"{where}: {fault}" for fault in include_faults(name, *match.groups())]
        if UNFINISHED.search(line):
            faults.append(f"{where}: unfinished work: {line.strip()[:80]}")
        if FOREIGN.search(line):
            faults.append(f"{where}: a path outside the project: {line.strip()[:80]}")
        if "\t" in line:
            faults.append(f"{where}: tab")
        if name.endswith((".cpp", ".hpp")) and len(line) > COLUMNS_MAX:
            faults.append(f"{where}: {len(line)} columns, at most {COLUMNS_MAX}: clang-format -i {name}")
    if code and len(lines) > LINES_MAX and not name.startswith("tests/"):
        faults.append(f"{name}: {len(lines)} lines, at most {LINES_MAX}: a second noun is hiding in it")
    return faults


def files_of(root):
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.is_file() and path.suffix in CODE + OTHER_TEXT:
                yield path


def faults_in(root):
    """All faults of the tree at `root`, and how many files were read."""
    faults, count = [], 0
    for path in files_of(root):
        count += 1
        faults += faults_of(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    return faults, count


class House(unittest.TestCase):
    maxDiff = None

    def test_every_source_keeps_the_order(self):
        faults, count = faults_in(ROOT)
        self.assertGreater(count, 20, f"no sources found under {ROOT}")
        if faults:
            self.fail(f"{len(faults)} faults\n" + "\n".join(faults))


class Watchman(unittest.TestCase):
    """The test above finds what it is there to find."""

    PLANTED = [
        ("engine/core/a.hpp", '#include "ipc/spsc_ring.hpp"', "engine may not include"),
        ("engine/core/a.hpp", '#include "source.hpp"', "engine may not include"),
        ("engine/core/a.hpp", '#include "engine/../ipc/layout.hpp"', "engine may not include"),
        ("engine/core/a.hpp", "#include <ipc/layout.hpp>", "engine may not include"),
        ("engine/core/a.hpp", "#include <atomic>", "pure"),
        ("engine/core/a.hpp", "  #  include <thread>", "pure"),
        ("engine/core/a.cpp", "#include <chrono>", "pure"),
        ("engine/wire/a.cpp", "#include <unistd.h>", "pure"),
        ("engine/wire/a.cpp", "#include <sys/socket.h>", "pure"),
        ("engine/wire/a.cpp", "#include <rte_mbuf.h>", "DPDK"),
        ("ipc/a.hpp", '#include "engine/core/source.hpp"', "ipc may not include"),
        ("ipc/a.hpp", '#include "engine/types.hpp.hpp"', "ipc may not include"),
        ("client/core/a.hpp", '#include "dataplane/worker.hpp"', "client may not include"),
        ("client/core/a.hpp", '#include "client/socket/a.hpp"', "client/core may not include"),
        ("client/socket/a.hpp", '#include "engine/core/profile.hpp"', "client may not include"),
        ("dataplane/a.cpp", '#include "control/handler.hpp"', "dataplane may not include"),
        ("dataplane/a.cpp", '#include "dataplane/dpdk/port.hpp"', "dataplane may not include"),
        ("dataplane/net/a.cpp", "#include <rte_mbuf.h>", "DPDK"),
        ("control/a.cpp", '#include "dataplane/worker.hpp"', "control may not include"),
        ("control/a.cpp", '#include "engine/core/receive_window.hpp"', "control may not include"),
        ("embed/a.cpp", '#include "apps/fanfared/main.hpp"', "embed may not include"),
        ("embed/a.cpp", "#include <rte_eal.h>", "DPDK"),
        ("sim/a.cpp", '#include "control/handler.hpp"', "sim may not include"),
        ("sim/a.cpp", '#include "client/socket/a.hpp"', "sim may not include"),
        ("sim/a.cpp", '#include "dataplane/dpdk/port.hpp"', "sim may not include"),
        ("sim/a.cpp", '#include "tests/sim/sim_port.hpp"', "nothing includes"),
        ("dataplane/a.cpp", '#include "sim/network.hpp"', "dataplane may not include"),
        ("apps/a.cpp", "#include <rte_eal.h>", "DPDK"),
        ("apps/a.cpp", '#include "tests/sim/sim_port.hpp"', "nothing includes"),
        ("apps/a.cpp", '#include "bench/tools.hpp"', "nothing includes"),
        ("engine/a.cpp", "// TO" "DO later", "unfinished"),
        ("engine/a.cpp", "// A st" "ub.", "unfinished"),
        ("engine/a.cpp", "// Good enough for n" "ow", "unfinished"),
        ("tests/a.cpp", "// Not imple" "mented", "unfinished"),
        ("tests/a.py", "path = '/wo" "rk/main'", "outside the project"),
        ("tests/a.cpp", "x" * (COLUMNS_MAX + 1), "columns"),
        ("engine/a.cpp", "\tint x;", "tab"),
        ("engine/a.cpp", "int x;\n" * (LINES_MAX + 1), "lines"),
    ]
    GOOD = [
        ("engine/core/a.hpp", '#include "engine/types.hpp"\n#include <cstdint>\n#include <immintrin.h>\n'),
        ("ipc/a.hpp", '#include "engine/core/window_layout.hpp"\n#include <atomic>\n#include <sys/mman.h>\n'),
        ("client/socket/a.cpp", '#include "client/core/parts.hpp"\n#include "fanfare/socket.h"\n'),
        ("dataplane/dpdk/a.cpp", '#include <rte_mbuf.h>\n#include "dataplane/dpdk/port.hpp"\n'),
        ("dataplane/a.cpp", '#include "engine/core/source.hpp"\n#include "ipc/layout.hpp"\n'),
        ("control/a.cpp", '#include "dataplane/commands.hpp"\n#include "engine/core/profile.hpp"\n'),
        ("sim/a.hpp", '#include "dataplane/worker.hpp"\n#include "client/core/message_reader.hpp"\n'),
        ("apps/a.cpp", '#include "dataplane/dpdk/eal.hpp"\n#include "sim/scale.hpp"\n'),
        ("tests/a.cpp", '#include "sim/network.hpp"\n#include "engine/core/source.hpp"\n'),
        ("engine/a.cpp", "int x;\n" * LINES_MAX + "x" * 0),
        ("tests/a.cpp", "int x;\n" * (LINES_MAX + 1)),
        ("engine/a.cpp", "x" * COLUMNS_MAX + "\n"),
        ("tests/a.cpp", "std::vector<int> todo; // framework/work/a\n"),
    ]

    def test_a_planted_fault_of_each_kind_is_named(self):
        for name, text, reason in self.PLANTED:
            faults = faults_of(name, text)
            self.assertTrue(any(reason in fault for fault in faults), (name, text[:60], faults))

    def test_what_is_in_order_is_let_through(self):
        for name, text in self.GOOD:
            self.assertEqual(faults_of(name, text), [], name)

    def test_a_fault_is_found_in_every_room_of_a_tree(self):
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for room in ROOMS:
                (root / room / "deep").mkdir(parents=True)
                (root / room / "deep" / "good.hpp").write_text("#pragma once\n", encoding="utf-8")
            self.assertEqual(faults_in(root), ([], len(ROOMS)))
            for room in ROOMS:
                (root / room / "deep" / "bad.cpp").write_text("\tint x;\n", encoding="utf-8")
            faults, count = faults_in(root)
            self.assertEqual(count, 2 * len(ROOMS))
            self.assertEqual([fault.split("/")[0] for fault in faults], list(ROOMS))


if __name__ == "__main__":
    unittest.main()

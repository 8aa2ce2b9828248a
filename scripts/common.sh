# Shared by the scripts beside it: where the tree is, and how packages are installed. Sourced, not run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian 12's packages for programs, library, tests that need no peers, and benches.
BUILD_PACKAGES=(meson ninja-build pkg-config gcc g++ python3 libdpdk-dev liburing-dev libtomlplusplus-dev libcli11-dev
    libfmt-dev nlohmann-json3-dev libgtest-dev libbenchmark-dev)
# For the demo: namespaces, cables, loss.
NETWORK_PACKAGES=(iproute2 nftables ethtool procps util-linux)
# For the whole test run: peers, an independent decoder, multicast routers, the Windows headers, an instruction counter, sanitizers and
# fuzzers, the formatter.
TEST_PACKAGES=(libpgm-dev libzmq3-dev tshark frr gcc-mingw-w64-x86-64 mingw-w64-x86-64-dev valgrind clang-14
    libclang-rt-14-dev clang-format-14 libisal-dev "${NETWORK_PACKAGES[@]}")
# For comparing with the limits of a wire.
BENCH_PACKAGES=(dpdk-dev libisal-dev libpgm-dev libzmq3-dev libnorm-dev valgrind "${NETWORK_PACKAGES[@]}")

say() { printf '%s\n' "$*" >&2; }
die() {
    say "${0##*/}: $*"
    exit 1
}

# need PACKAGE...: installs what is missing, without a question.
need() {
    local package missing=()
    command -v dpkg-query >/dev/null || {
        say "${0##*/}: this is no Debian: install what corresponds to: $*"
        return
    }
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
            die "packages are missing and this is not root: run  apt-get install ${missing[*]}"
        as_root=(sudo -n)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    "${apt[@]}" install --no-install-recommends -y "${missing[@]}" >&2 ||
        { "${apt[@]}" update >&2 && "${apt[@]}" install --no-install-recommends -y "${missing[@]}" >&2; } ||
        die "apt-get could not install ${missing[*]}; its words stand above"
}

# configure DIRECTORY OPTION...: a meson build directory, new or known.
configure() {
    local directory=$1
    shift
    # What root built before is root's: said here, before meson says it at length.
    local place=$directory
    [[ -e $place ]] || place=$(dirname "$place")
    [[ -w $place ]] || die "$place belongs to $(stat -c %U "$place"): run this as that user, or give it away: chown -R $(id -un) $place"
    # A directory that a configuration left unfinished is made anew.
    if [[ -d $directory && ! -f $directory/build.ninja ]]; then rm -rf "$directory"; fi
    if [[ -d $directory ]]; then
        # Looks anew for what was not there the last time.
        meson setup --reconfigure "$directory" "$ROOT" "$@" >"$directory/setup.log" 2>&1 ||
            { tail -30 "$directory/setup.log" >&2; die "configuring $directory failed"; }
    else
        meson setup "$directory" "$ROOT" "$@" >"$directory.log" 2>&1 ||
            { tail -30 "$directory.log" >&2; die "configuring $directory failed"; }
        mv "$directory.log" "$directory/setup.log"
    fi
}

# targets DIRECTORY in|out FOLDER...: files that targets inside (outside) these folders make.
targets() {
    meson introspect --targets "$1" | python3 -c '
import json, os, sys
directory, side, *folders = sys.argv[1:]
root = os.path.realpath(directory)
for target in json.load(sys.stdin):
    if not target["build_by_default"] or target["type"] not in ("executable", "shared library", "static library"):
        continue
    for name in target["filename"]:
        name = os.path.relpath(os.path.realpath(name), root)
        if (name.split("/")[0] in folders) == (side == "in"):
            print(name)
' "$@"
}

# make_targets DIRECTORY TARGET...: builds, quietly while it goes well.
make_targets() {
    local directory=$1
    shift
    ninja -C "$directory" "$@" >"$directory/build.log" 2>&1 ||
        { grep -B1 -A15 -m3 'FAILED\|error:' "$directory/build.log" >&2 || tail -30 "$directory/build.log" >&2
          die "building in $directory failed; all of it stands in $directory/build.log"; }
}

# Sourced by the other scripts: installs Debian packages that are missing, and nothing else.
#
# need_packages PACKAGE... : asks dpkg first, so that a machine which has them all needs neither root nor network.
need_packages() {
    local missing=() package
    for package in "$@"; do
        if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
            missing+=("$package")
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "fanfare: these packages are missing and only root can install them: ${missing[*]}" >&2
            echo "         run as root: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "installing: ${missing[*]}" >&2
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        "${missing[@]}" >/dev/null 2>&1; then
        "${as_root[@]}" apt-get update >/dev/null
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
            "${missing[@]}" >/dev/null
    fi
}

BUILD_PACKAGES=(g++ meson ninja-build pkg-config libdpdk-dev dpdk liburing-dev libtomlplusplus-dev libcli11-dev
    libfmt-dev nlohmann-json3-dev libgtest-dev libbenchmark-dev iproute2)
TEST_PACKAGES=(clang libclang-rt-14-dev clang-format python3 nftables ethtool tshark tcpdump libpgm-dev libzmq3-dev)

# shellcheck shell=bash
# Sourced by scripts/bench and scripts/test: makes <repository>/.venv from the lock files, once, and fetches the broker.
# Needs bash, Python >= 3.11 with venv, flock; the network at the first run only. Nothing outside the repository is written,
# but Debian's packages for picamera2 where that is asked for and it is root.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
cache=$root/.cache
setup_log=$cache/setup.log

# What a shell may hold that would lead pip or Python astray in our environment.
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() { printf '[setup] %s\n' "$*"; }
fail() {  # fail FOUND EXPECTED NEXT
    printf '[setup] %s; expected %s. Next: %s\n' "$1" "$2" "$3" >&2
    exit 2
}

find_python() {  # sets python to the first Python >= 3.11
    local name
    for name in python3 python3.11 python3.12 python3.13 python3.14; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$(command -v "$name")
            return
        fi
    done
    fail "found no Python 3.11 or newer on PATH ($(python3 --version 2>/dev/null || echo 'no python3 at all'))" \
        "one" "on Debian 12 or newer: apt-get install python3 python3-venv"
}

fingerprint() {  # fingerprint LOCK: names everything that a .venv made from that lock depends on
    {
        cat "$root/scripts/lock/build.txt" "$root/scripts/lock/$1.txt" "$root/pyproject.toml"
        "$python" -c 'import sys; print(sys.version, sys.base_prefix)'
        uname -m
        printf '%s\n' "$venv"  # its programs name their interpreter by full path, so a moved one is remade
    } | sha256sum | cut -d' ' -f1
}

is_made_from() {  # is_made_from LOCK: was .venv made from this lock, and to the end?
    [ -x "$venv/bin/python" ] && [ "$(cat "$venv/made-from-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]
}

install() {  # install WHAT PIP-OPTION...: pip's own words go to the log, one line a package to the terminal
    local what=$1
    shift
    say "installing $what"
    if ! "$venv/bin/python" -m pip install --progress-bar off "$@" 2>&1 | tee -a "$setup_log" |
        awk '/^Collecting /{ printf "[setup]   %s\n", $2; fflush() }'; then
        printf '[setup] pip could not install %s. Its last lines:\n' "$what" >&2
        tail -n 8 "$setup_log" >&2
        fail "the installation stopped" "packages that match scripts/lock" "look at $setup_log; if the network failed, run this again"
    fi
}

make_venv() {  # make_venv LOCK
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python cannot make virtual environments" "its module venv" "on Debian: apt-get install python3-venv"
    # Never repaired, always made anew: an interrupted one may lack any file. The names of locks are its stamps of completion.
    if [ -e "$venv" ]; then
        say "making .venv anew: the one there is unfinished, moved, without the test tools, or older than the lock files"
        rm -rf -- "$venv"
    else
        say "making .venv with $("$python" --version)"
    fi
    : >"$setup_log"
    "$python" -m venv "$venv" >>"$setup_log" 2>&1 ||
        fail "$python -m venv failed ($(tail -n 1 "$setup_log"))" "a new $venv" "look at $setup_log; is the disk full?"
    say "the first time this takes a minute or so, and the network"
    install "the packages of scripts/lock/$1.txt" \
        --require-hashes -r "$root/scripts/lock/build.txt" -r "$root/scripts/lock/$1.txt"
    install "sealcam itself" --no-deps --no-build-isolation --no-index --editable "$root"
    fingerprint "$1" >"$venv/.made-from"
    mv "$venv/.made-from" "$venv/made-from-$1"
}

prepare() {  # prepare LOCK [LOCK_THAT_HOLDS_IT_TOO...]: returns when .venv holds what LOCK names
    local lock
    find_python
    # One that had the test tools gets them again, whatever asks first after the lock files changed.
    case " $* " in *" dev "*) [ ! -e "$venv/made-from-dev" ] || set -- dev "$@" ;; esac
    for lock in "$@"; do
        ! is_made_from "$lock" || return 0
    done
    if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$root" ]; then
        fail "$root cannot be written by $(id -un)" "a clone of your own" "clone it into a folder of yours, or change the owner"
    fi
    (
        if ! flock -n 9; then
            say "another process is setting up; waiting for it"
            flock 9
        fi
        for lock in "$@"; do
            ! is_made_from "$lock" || exit 0  # the other one did it
        done
        make_venv "$1"  # pip inherits the lock: should this shell be killed, the next one waits for pip's end
    ) 9>"$cache/setup.lock"
}

missing_for_picamera2() {  # prints Debian's packages without which two of picamera2's sources do not build
    local include
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    command -v gcc >/dev/null || echo gcc
    [ -e "$include/Python.h" ] || echo python3-dev
    [ -e /usr/include/sys/capability.h ] || echo libcap-dev
}

prepare_picamera2() {  # after prepare: returns when .venv holds picamera2 besides; by apt what that needs, where it is root
    local missing
    ! is_made_from picamera2 || return 0
    mapfile -t missing < <(missing_for_picamera2)
    if [ ${#missing[@]} -gt 0 ]; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            fail "picamera2 needs what is not installed: ${missing[*]}" "it, to build its sources" \
                "as root: apt-get install ${missing[*]}"
        fi
        say "apt-get install ${missing[*]}"
        { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"; } \
            >"$cache/apt.log" 2>&1 ||
            fail "apt-get failed ($(tail -n 1 "$cache/apt.log"))" "it to install ${missing[*]}" "look at $cache/apt.log"
        mapfile -t missing < <(missing_for_picamera2)
        [ ${#missing[@]} -eq 0 ] ||
            fail "apt-get installed all, and $("$python" --version) still lacks: ${missing[*]}" "a Python with its headers" \
                "put Debian's own python3 first on PATH, and remove $venv"
    fi
    (
        if ! flock -n 9; then
            say "another process is setting up; waiting for it"
            flock 9
        fi
        ! is_made_from picamera2 || exit 0  # the other one did it
        # Its sources are built with the setuptools of our lock, not with one that is fetched for it.
        install "picamera2, by scripts/lock/picamera2.txt" --no-build-isolation \
            --require-hashes -r "$root/scripts/lock/picamera2.txt"
        fingerprint picamera2 >"$venv/.made-from"
        mv "$venv/.made-from" "$venv/made-from-picamera2"
    ) 9>"$cache/setup.lock"
}

prepare_broker() {  # mosquitto on PATH, or unpacked below .cache
    "$venv/bin/python" -m hw_sim.bench.mosquitto "$cache/mosquitto"
}

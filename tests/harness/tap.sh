# SPDX-License-Identifier: GPL-2.0-or-later
# Prints TAP, for tests in sh, which source this. They keep their files in $tmp, and end with finish.
# shellcheck shell=sh disable=SC2317 # some functions are called through try
number=0
status=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP

# result STATUS NAME [LOG]: one test; of one that failed, whose status isn't 0, the end of its log is shown
result() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
        return
    fi
    status=1
    echo "not ok $number - $2"
    [ ! -s "${3:-}" ] || tail -n 25 "$3" | sed 's/^/# /'
}

# skip NAME KEY REASON
skip() {
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2: $3"
}

# try NAME COMMAND...: a test that is one command; what it says is in $tmp/log
try() {
    try_name=$1
    shift
    "$@" >"$tmp/log" 2>&1
    result $? "$try_name" "$tmp/log"
}

finish() {
    echo "1..$number"
    exit "$status"
}

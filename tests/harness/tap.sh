# SPDX-License-Identifier: GPL-2.0-or-later
# Prints TAP, for tests in sh, which source this. They keep their files in $tmp, and end with finish.
# shellcheck shell=sh disable=SC2317,SC2154 # some functions are called through try; $top is set by whoever sources this
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

# program NAME COMMAND...: a TAP program; its tests get our numbers
program() {
    program_name=$1
    shift
    rc=0
    "$@" >"$tmp/tap" 2>"$tmp/err" || rc=$?
    awk -v from="$number" -v name="$program_name" '
        /^1\.\.[0-9]/ { plan = substr($1, 4) + 0; next }
        /^(not )?ok([ \t]|$)/ {
            bad = $1 == "not"
            sub(/^(not )?ok *[0-9]* *(- *)?/, "")
            printf "%s %d - %s %s\n", bad ? "not ok" : "ok", from + ++seen, name, $0
            failed += bad
            next
        }
        /^TAP version/ { next }
        { print (/^#/ ? "" : "# ") $0 }
        END { print seen + 0, failed + 0, plan + 0 >"/dev/stderr" }' "$tmp/tap" 2>"$tmp/counts"
    read -r seen failed plan <"$tmp/counts"
    number=$((number + seen))
    [ "$failed" -eq 0 ] || status=1
    if [ "$seen" -eq 0 ] || [ "$seen" -ne "$plan" ]; then
        result 1 "$program_name: $seen of $plan tests reported, status $rc" "$tmp/err"
    elif [ "$rc" -ne 0 ] && [ "$failed" -eq 0 ]; then
        result 1 "$program_name: it ended with status $rc" "$tmp/err"
    fi
}

# compared COUNT EMIT...: the answers of the program EMIT, for random cases of CLOCKFERRY_SEED, against exact arithmetic
compared() {
    compared_count=$1
    shift
    # the status of the left side, too: a sanitizer may have ended it
    { "$@" --emit "$compared_count" --seed "$CLOCKFERRY_SEED" || echo "WRONG: $* ended with status $?" >&2; } \
        2>"$tmp/emit-err" | python3 "$top/tests/unit/oracle.py" || return 1
    cat "$tmp/emit-err"
    [ ! -s "$tmp/emit-err" ]
}

finish() {
    echo "1..$number"
    exit "$status"
}

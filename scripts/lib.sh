# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034 # what is set here is used by whoever sources it
# What ./run, tests, debian/ and qemu-patches/ share: messages, the cache, its lock, progress. To be sourced, with $top set.

# shellcheck disable=SC2154 # set by whoever sources this
scripts=$top/qemu-patches/scripts
files=$top/qemu-patches/files
cache=${CLOCKFERRY_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/clockferry}
# /usr/sbin and /sbin: not every user has them, and apt needs them.
PATH=$PATH:/usr/sbin:/sbin

say() {
    printf '%s\n' "$*" >&2
}

# Ends with one sentence. Who wants to show it later as the reason names a file in CLOCKFERRY_WHY_FILE.
die() {
    say "clockferry: $*"
    [ -z "${CLOCKFERRY_WHY_FILE:-}" ] || printf '%s\n' "$*" >"$CLOCKFERRY_WHY_FILE"
    exit 1
}

usage_error() {
    say "clockferry: $*"
    exit 2
}

need_root() {
    [ "$(id -u)" -eq 0 ] || die "only root can make packages: they are built in a root folder of their own"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# When these paths of the tree were changed last, or anything; seconds since 1970. A tree that was unpacked from an
# archive has no commits, but its files have the last one's time; somebody's repository around it has others.
commit_time() {
    if [ "$(git_plain -C "$top" rev-parse --show-toplevel 2>/dev/null)" = "$(cd "$top" && pwd -P)" ]; then
        git_plain -C "$top" log -1 --format=%ct -- "$@"
    else
        stat -c %Y "$top/debian/changelog"
    fi
}

# The end of packages' version as long as it isn't released, when the changelog's ends in "~": it sorts after those of
# former commits. $1: seconds since 1970, $2: a short name for the content. To be used as x=$(unreleased …) || exit 1
unreleased() {
    changelog_version=$(dpkg-parsechangelog -l "$top/debian/changelog" -S Version) || return 1
    case $changelog_version in
    *~) printf '%s.%.7s\n' "$(date -u -d "@$1" +%Y%m%d%H%M%S)" "$2" ;;
    esac
}

# A short name for what comes in on stdin.
key() {
    sha256sum | cut -c1-12
}

make_cache() {
    mkdir -p "$cache/log" "$cache/qemu" "$cache/tmp" 2>/dev/null || :
    [ -w "$cache/tmp" ] || die "can't write to the cache, $cache (CLOCKFERRY_CACHE names another place)"
}

# Prints the path of a new folder in the cache, which is there only for a while; $1: a word of its name. Not by process
# number: suites have their own, in namespaces, and two of them the same.
new_tmp() {
    make_cache
    new_folder=$(mktemp -d "$cache/tmp/$1.XXXXXX") && chmod 755 "$new_folder" && echo "$new_folder"
}

# Two runs must not fill the same place of the cache at once. $1 names the place. The lock is held until
# unlock or the end of the process; what this process starts knows that and doesn't ask again. One at a time.
lock() {
    case " ${CLOCKFERRY_LOCKED:-} " in *" $1 "*) return 0 ;; esac
    make_cache
    have flock || return 0
    exec 9>"$cache/lock-$1"
    if ! flock -n 9; then
        say "  waiting for another run that uses the cache …"
        flock 9
    fi
    export CLOCKFERRY_LOCKED="${CLOCKFERRY_LOCKED:-} $1"
}

# $1: the last lock that this process took.
unlock() {
    exec 9>&-
    export CLOCKFERRY_LOCKED="${CLOCKFERRY_LOCKED% "$1"}"
}

duration() {
    printf '%dm%02ds' $(($1 / 60)) $(($1 % 60))
}

# Where ninja is, from the end of its log: "1234/2034 objects, ".
ninja_status() {
    tail -c 600 "$1" 2>/dev/null | tr '\r' '\n' |
        sed -n 's/^\[\([0-9]*\/[0-9]*\)\].*/\1 objects, /p' | tail -n 1
}

# How far a kernel's make is, which doesn't know how much is still to come: "1234 objects, ".
make_status() {
    make_done=$(grep -cE '^  (CC|AS)  ' "$1" 2>/dev/null) || :
    [ "${make_done:-0}" -eq 0 ] || printf '%d objects, ' "$make_done"
}

# Says every ten seconds how far the work of log $2 is, until it is killed or its script has ended.
ticker() {
    ticker_start=$(date +%s)
    while sleep 10 >/dev/null 2>&1 9>&- && kill -0 $$ 2>/dev/null; do
        say "  $1: $(ninja_status "$2")$(make_status "$2")$(duration $(($(date +%s) - ticker_start)))"
    done
}

# Runs a long command with its output in a log. $1: what to call it, $2: the log, rest: the command.
logged() {
    logged_what=$1 logged_log=$2
    shift 2
    ticker "$logged_what" "$logged_log" &
    logged_ticker=$!
    logged_rc=0
    "$@" >"$logged_log" 2>&1 </dev/null || logged_rc=$?
    kill "$logged_ticker" 2>/dev/null || :
    wait "$logged_ticker" 2>/dev/null || :
    [ "$logged_rc" -eq 0 ] && return 0
    tail -n 30 "$logged_log" | sed 's/^/    /' >&2
    say "  the whole log: $logged_log"
    return "$logged_rc"
}

# ccache makes the second build of nearly the same source quick. Paths are hashed relative to $1, the folder in
# which source and build stand at the same place each time.
use_ccache() {
    export CCACHE_DIR="$cache/ccache" CCACHE_MAXSIZE=2G CCACHE_NOHASHDIR=1 CCACHE_BASEDIR="$1"
    [ ! -d /usr/lib/ccache ] || PATH=/usr/lib/ccache:$PATH
    export PATH
}

# Git that behaves the same for everybody: no settings of the user, no conversions, fixed identity and dates.
git_plain() {
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 \
        GIT_AUTHOR_NAME=Clockferry GIT_AUTHOR_EMAIL=clockferry@localhost \
        GIT_COMMITTER_NAME=Clockferry GIT_COMMITTER_EMAIL=clockferry@localhost \
        git -c core.autocrlf=false -c core.abbrev=12 -c gc.auto=0 -c maintenance.auto=false \
        -c commit.gpgSign=false -c core.hooksPath=/dev/null -c advice.detachedHead=false \
        -c safe.directory='*' "$@"
}

# The versions that have a series here.
versions() {
    (cd "$top/qemu-patches" && for v in *.*/BASE; do
        [ ! -f "$v" ] || dirname "$v"
    done)
}

default_version=10.0

# Sets $version and $series_dir from an argument that may be empty.
choose_version() {
    version=${1:-$default_version}
    series_dir=$top/qemu-patches/$version
    [ -f "$series_dir/BASE" ] ||
        usage_error "there is no patch series for QEMU $version; there is: $(versions | tr '\n' ' ')"
}

# How QEMU may be built; scripts/build says what they are.
flavours="gcc clang asan gcov"

# Sets $flavour from an argument that may be empty.
choose_flavour() {
    flavour=${1:-gcc}
    case " $flavours " in
    *" $flavour "*) ;;
    *) usage_error "there is no flavour \"$flavour\"; there are: $flavours" ;;
    esac
}

# One value of BASE.
base() {
    sed -n "s/^$1=//p" "$series_dir/BASE"
}

# The patches of the series, in order. An empty series is an empty file; none at all is a mistake.
series_patches() {
    [ -f "$series_dir/series" ] || die "$series_dir/series is missing (a series without patches is an empty file)"
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$series_dir/series"
}

# The files of qemu-patches/files that a patch brings: lines "Brings: PATH" behind its "---", where git am ignores them.
brought_by() {
    sed -n -e '/^---$/,/^diff --git /s/^Brings: //p' "$series_dir/$1"
}

# Ends if the series isn't all there.
need_whole_series() {
    series_list=$(series_patches) || exit 1
    for p in $series_list; do
        [ -f "$series_dir/$p" ] || die "the series lists $p, but there is no such file in $series_dir"
        for f in $(brought_by "$p"); do
            [ -s "$files/$f" ] || die "$p brings $f, but there is no such file in $files, or it is empty"
            [ -z "$(tail -c 1 "$files/$f")" ] || die "the last line of $files/$f has no end"
        done
    done
}

# A file of qemu-patches/files as a patch that adds it. Links are followed.
new_file() {
    new_mode=100644
    [ ! -x "$files/$1" ] || new_mode=100755
    printf 'diff --git a/%s b/%s\nnew file mode %s\n--- /dev/null\n+++ b/%s\n@@ -0,0 +1,%d @@\n' \
        "$1" "$1" "$new_mode" "$1" "$(wc -l <"$files/$1")"
    sed 's/^/+/' "$files/$1"
}

# A patch with the files that it brings inside, as git am and patch take it.
whole_patch() {
    cat "$series_dir/$1"
    for f in $(brought_by "$1"); do
        new_file "$f"
    done
}

# When anything was changed last that the packages of QEMU are made of.
series_time() {
    # shellcheck disable=SC2046 # names without spaces
    commit_time "$scripts" "$files" "$scripts/../$version" $(find "$files" -type l -exec readlink -f {} +)
}

# A short name for the content of the series. To be used as x=$(series_key) || exit 1
series_key() {
    need_whole_series
    for p in $series_list; do
        whole_patch "$p"
    done | key
}

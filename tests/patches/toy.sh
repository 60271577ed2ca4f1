# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034,SC2154 # set here for whoever sources this, or set there
# A repository with the series' scripts and one series, for a QEMU 1.0 of three small files. To be sourced, with $top
# and $suite set; the last line is finish.
# shellcheck source=tests/harness/tap.sh
. "$top/tests/harness/tap.sh"

# The source of QEMU 1.0 is $tmp/old.
repo="$tmp/a repository"
scripts=$repo/qemu-patches/scripts
series=$repo/qemu-patches/1.0
files=$repo/qemu-patches/files
export CLOCKFERRY_CACHE="$tmp/cache" QEMU_SRC="$tmp/old"

# told STATUS NAME: one test of what the last command said
told() {
    result "$1" "$suite: $2" "$tmp/said"
}

# Runs a script; sets rc.
run() {
    rc=0
    "$@" >"$tmp/said" 2>&1 || rc=$?
}

# said TEXT…: all of these, each on one line
said() {
    for text; do
        grep -qF -- "$text" "$tmp/said" || { echo "# not said: $text" && return 1; }
    done
}

make_qemu() {
    mkdir "$1"
    echo 1.0.3 >"$1/VERSION"
    : >"$1/configure"
    seq -f 'clock %g' 40 >"$1/clock.c"
    seq -f 'migration %g' 40 >"$1/migration.c"
    seq -f 'target %g' 40 >"$1/target.json"
}

# Commits all of the tree $tmp/work. $1: subject
commit() {
    git -C "$tmp/work" add -A
    git -C "$tmp/work" -c user.name=A -c user.email=a@example.org commit -q -s -m "$1"
}

# Three patches: to clock.c, then to migration.c and target.json, then a new file.
make_series() {
    "$scripts/import" 1.0 "$tmp/work" >/dev/null 2>&1 || return 1
    sed -i 's/^clock 20$/clock twenty/' "$tmp/work/clock.c"
    commit "clock: one"
    sed -i -e 's/^migration 5$/migration five/' -e 's/^migration 30$/migration thirty/' "$tmp/work/migration.c"
    sed -i 's/^target 20$/target twenty/' "$tmp/work/target.json"
    commit "migration: two"
    echo new >"$tmp/work/new.c"
    commit "new: three"
    "$scripts/export" "$tmp/work" 1.0 2>/dev/null
}

mkdir -p "$series"
cp -R "$top/scripts" "$repo/"
cp -R "$top/qemu-patches/scripts" "$repo/qemu-patches/"
echo QEMU_VERSION=1.0.3 >"$series/BASE"
: >"$series/series"
make_qemu "$tmp/old"
make_series || { echo "1..0 # SKIP the small series can't be made" && exit 1; }

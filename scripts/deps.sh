# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154 # $cache comes from lib.sh
# What has to be installed: Debian packages by purpose, and a meson that is new enough. Source lib.sh first.

packages_for() {
    case $1 in
    helper)
        echo gcc g++ clang libc6-dev ninja-build pkg-config libglib2.0-dev libjson-c-dev libxml2-dev libvirt-dev \
            python3 python3-grpcio python3-jsonschema python3-docutils python3-yaml binutils strace systemd zsh
        ;;
    source) echo git dpkg-dev xz-utils perl debian-archive-keyring ;;
    meson) echo meson ;;
    qemu)
        echo gcc libc6-dev ninja-build pkg-config libglib2.0-dev python3 python3-venv ccache git flex bison \
            libpixman-1-dev libfdt-dev libslirp-dev zlib1g-dev seabios ipxe-qemu qemu-system-data
        ;;
    clang) echo clang ;;
    analyzers) echo gcc clang-tidy cppcheck git shellcheck valgrind ;;
    arm64) echo gcc-aarch64-linux-gnu qemu-user ;;
    arm64-hosts) echo qemu-system-arm ;;
    coverage | gcov) echo gcc gcovr ;;
    asan) echo clang libclang-rt-dev llvm ;;
    fuzz) echo clang libclang-rt-dev libgmp-dev llvm ;;
    repository) echo apt-utils gnupg xz-utils ;;
    chroot) echo debootstrap debian-archive-keyring util-linux ;;
    kernel) echo gcc libc6-dev make bc flex bison libelf-dev ccache patch xz-utils debian-archive-keyring ;;
    bochs) echo bochs bochs-term bochsbios genisoimage isolinux syslinux-common vgabios ;;
    esac
}

on_debian() {
    have apt-get && have dpkg-query
}

missing_packages() {
    for package; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed*) ;;
        *) echo "$package" ;;
        esac
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# apt's lists may be absent (containers) or old: bring them up to date once, before the first installation.
apt_update() {
    [ -z "${CLOCKFERRY_APT_FRESH:-}" ] || return 0
    logged "apt-get update" "$cache/log/apt-update" as_root apt-get update ||
        die "apt-get update failed, so nothing can be installed"
    export CLOCKFERRY_APT_FRESH=1
}

# Installs what is missing for the given purposes; does nothing, without network or root, if all is there.
# On systems that aren't Debian it goes on with what it finds.
need() {
    on_debian || return 0
    wanted=$(for purpose; do packages_for "$purpose"; done)
    # shellcheck disable=SC2086 # lists of names
    wanted=$(missing_packages $wanted | sort -u | tr '\n' ' ')
    [ -n "$wanted" ] || return 0
    make_cache
    [ "$(id -u)" -eq 0 ] || have sudo ||
        die "these Debian packages are missing, and there is neither root nor sudo to install them: $wanted"
    say "installing: $wanted"
    lock apt
    apt_update
    # shellcheck disable=SC2086
    logged "apt-get install" "$cache/log/apt-install" as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends $wanted || die "could not install these Debian packages: $wanted"
    unlock apt
}

# The address of the archive this machine already uses. $1: Debian for the archive, Debian-Security for its updates.
archive_site() {
    # shellcheck disable=SC2016 # for apt to expand
    apt-get indextargets --format '$(LABEL) $(SITE)' 'Created-By: Packages' 'Component: main' |
        awk -v label="$1" '$1 == label { print $2; exit }'
}

# The name of a Debian's suite.
debian_suite() {
    case $1 in
    12) echo bookworm ;;
    13) echo trixie ;;
    *) return 1 ;;
    esac
}

# Lines of sources.list for private_apt. $1: deb or deb-src, $2: the suite. sid has no updates besides itself.
suite_lines() {
    echo "$1 @KEY@ @SITE@ $2 main"
    [ "$2" != sid ] || return 0
    echo "$1 @KEY@ @SITE@ $2-updates main"
    echo "$1 @KEY@ @SECURITY@ $2-security main"
}

# More lines of it for an architecture. $1: which, $2: its folder.
foreign_apt() {
    : >"$2/status"
    cat <<EOF
APT::Architecture "$1";
APT::Architectures { "$1"; };
Dir::State::status "$2/status";
EOF
}

# A configuration of apt in the cache, which names other suites than the machine's own and leaves that alone.
# $1: its name; stdin: lines of sources.list in which @SITE@ and @SECURITY@ stand for the archive. $2: another
# architecture, of which nothing counts as installed then.
private_apt() {
    apt_dir=$cache/apt/$1
    site=$(archive_site Debian) security=$(archive_site Debian-Security)
    [ -n "$site" ] || die "this machine's apt knows no Debian archive"
    mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
    sed -e "s|@SITE@|$site|" -e "s|@SECURITY@|$security|" \
        -e 's|@KEY@|[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]|' -e '/]  /d' >"$apt_dir/sources.list"
    cat >"$apt_dir/apt.conf" <<EOF
Dir::Etc::sourcelist "$apt_dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$apt_dir/lists";
Dir::Cache "$apt_dir/cache";
APT::Sandbox::User "";
APT::Update::Post-Invoke-Success "";
EOF
    [ -z "${2:-}" ] || foreign_apt "$2" "$apt_dir" >>"$apt_dir/apt.conf"
    # A suite that is not there (yet) is no reason to stop: what is wanted may be in another one.
    APT_CONFIG=$apt_dir/apt.conf logged "apt-get update ($1)" "$cache/log/apt-$1" apt-get update || :
}

new_enough() {
    [ -n "$1" ] || return 1
    printf '%s\n1.5\n' "$1" | sort -V | head -n 1 | grep -qx '1\.5'
}

# The system's own Python, not one that a version manager has put before it: that one doesn't see Debian's meson.
system_python() {
    if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi
}

# QEMU's configure looks for the module, we also call the command: both must be there.
meson_version() {
    ! have meson || "$(system_python)" -c 'import mesonbuild.coredata as c; print(c.version)' 2>/dev/null || :
}

# Unpacks the meson of Debian's backports into the cache; nothing is installed.
fetch_meson() {
    # shellcheck disable=SC1091
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    make_cache
    private_apt meson <<EOF
deb @KEY@ @SITE@ $codename-backports main
EOF
    meson_tmp=$(new_tmp meson)
    mkdir -p "$meson_tmp/root/bin"
    meson_modules=usr/lib/python3/dist-packages
    (cd "$meson_tmp" && APT_CONFIG=$cache/apt/meson/apt.conf apt-get download meson >"$cache/log/meson" 2>&1) ||
        die "meson 1.5 or newer is needed, and $codename-backports doesn't give it (see $cache/log/meson)"
    dpkg-deb -x "$meson_tmp"/meson_*.deb "$meson_tmp/root"
    # ninja calls meson by its own path, in whatever environment. Beside its modules it finds them by itself.
    { echo "#!$(system_python)" && sed 1d "$meson_tmp/root/usr/bin/meson"; } >"$meson_tmp/root/$meson_modules/meson.py"
    chmod +x "$meson_tmp/root/$meson_modules/meson.py"
    ln -s "../$meson_modules/meson.py" "$meson_tmp/root/bin/meson"
    "$meson_tmp/root/bin/meson" --version >/dev/null || die "the meson of $codename-backports doesn't run"
    rm -rf "$cache/meson"
    mv "$meson_tmp/root" "$cache/meson"
    rm -rf "$meson_tmp"
}

cached_meson() {
    [ -L "$cache/meson/bin/meson" ] && "$cache/meson/bin/meson" --version >/dev/null 2>&1
}

# Puts a meson that is new enough (QEMU 10 needs 1.5) into the environment. Debian 13 has one, Debian 12 only in
# its backports; adding those to the system's apt would change more than this project may.
use_meson() {
    ! new_enough "$(meson_version)" || return 0
    if on_debian && ! cached_meson; then
        meson_candidate=$(apt-cache policy meson | sed -n 's/^ *Candidate: *//p')
        if [ -z "$meson_candidate" ] || [ "$meson_candidate" = "(none)" ]; then
            lock apt
            apt_update
            unlock apt
            meson_candidate=$(apt-cache policy meson | sed -n 's/^ *Candidate: *//p')
        fi
        if new_enough "$meson_candidate"; then
            need meson
            return 0
        fi
        (lock meson && { cached_meson || fetch_meson; }) || exit 1
    fi
    cached_meson || die "meson 1.5 or newer is needed; the one of this machine: $(meson_version)"
    PATH=$cache/meson/bin:$PATH
    # QEMU's configure wants to import the modules.
    export PATH PYTHONPATH="$cache/meson/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}"
}

# Builds this tree, anew if what is there can't go on. $1: what, a word for messages, log and lock; $2: in which folder;
# $3: ninja's target; then options of meson setup. The lock is held on.
build_with_meson() {
    built_what=$1 built_in=$2 built_target=$3 built_name=$1-$(printf %s "$top" | key)
    shift 3
    use_meson
    lock "$built_name"
    built_log=$cache/log/$built_name
    if [ -f "$built_in/build.ninja" ] && ninja -C "$built_in" "$built_target" >"$built_log" 2>&1 </dev/null; then
        return 0
    fi
    rm -rf "$built_in"
    mkdir -p "$(dirname "$built_in")"
    logged "$built_what: configure" "$built_log" meson setup -Dwerror=true "$@" "$built_in" "$top" ||
        die "meson setup failed"
    logged "$built_what" "$built_log" ninja -C "$built_in" "$built_target" || die "building clockferry failed"
}

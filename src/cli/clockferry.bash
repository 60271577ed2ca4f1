# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2207 # words of ours have no spaces
# Bash completion of clockferry: commands and options as --help lists them.

_clockferry_commands() {
    clockferry --help 2>/dev/null | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p'
}

_clockferry_options() {
    clockferry "$1" --help 2>/dev/null |
        grep -o -- '--[a-z-]*' | sort -u
}

# libvirt's guests, of the libvirt that --connect names. Bash splits URIs at their colons, so the whole line is searched.
_clockferry_domains() {
    local uri=()

    if [[ $COMP_LINE =~ \ (-c|--connect)[\ =]([^\ ]+)\  ]]; then uri=(-c "${BASH_REMATCH[2]}"); fi
    virsh -q "${uri[@]}" list --all --name 2>/dev/null
}

_clockferry() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]}

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "$(_clockferry_commands) --help --version" -- "$current"))
        return
    fi
    # --policy=strict comes as three words
    if [ "$current" = = ]; then current=; elif [ "$previous" = = ]; then previous=${COMP_WORDS[COMP_CWORD - 2]}; fi
    case $previous in
    -f | --format) COMPREPLY=($(compgen -W 'text json prometheus kubevirt' -- "$current")) ;;
    -p | --policy) COMPREPLY=($(compgen -W 'auto strict lax' -- "$current")) ;;
    --require) COMPREPLY=($(compgen -W 'exact reanchored closed-loop realtime plain' -- "$current")) ;;
    --tsc-khz | --rounds | --vcpus) ;;
    -c | --connect | --desturi) COMPREPLY=($(compgen -W 'qemu:///system qemu:///session' -- "$current")) ;;
    *)
        case $command:$current in
        *:-*) COMPREPLY=($(compgen -W "$(_clockferry_options "$command")" -- "$current")) ;;
        annotate:* | enable:* | disable:*) COMPREPLY=($(compgen -W "$(_clockferry_domains)" -- "$current")) ;;
        *) compopt -o default 2>/dev/null ;;
        esac
        ;;
    esac
}

complete -F _clockferry clockferry

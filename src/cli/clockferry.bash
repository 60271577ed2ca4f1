# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Bash completion of clockferry, by what --help and virsh print. Anybody may have named a guest, even x$(reboot):
# nothing here may expand or evaluate a name.

# Splits the line up to the cursor into words, without their quotes, in _words; the last one is to be completed.
# Readline will replace what is in _typed, which has its quotes, and stands in the open quote _quote, if any.
_clockferry_split() {
    local line=${COMP_LINE:0:COMP_POINT} word='' inside='' start=0 c i

    _words=() _quote=''
    for ((i = 0; i < ${#line}; i++)); do
        c=${line:i:1}
        if [[ $c == "$_quote" ]]; then
            _quote='' start=$((i + 1))
        elif [[ $c == \\ && $_quote != \' ]]; then
            [[ -z $_quote || ${line:i+1:1} == [\\\"\$\`] ]] || word+=$c
            word+=${line:i+1:1} inside=1
            ((++i))
        elif [[ $_quote ]]; then
            word+=$c
        elif [[ $c == [\'\"] ]]; then
            _quote=$c start=$((i + 1)) inside=1
        elif [[ $c == [[:space:]] ]]; then
            [[ -z $inside ]] || _words+=("$word")
            word='' inside='' start=$((i + 1))
        else
            [[ $COMP_WORDBREAKS != *"$c"* ]] || start=$((i + 1))
            word+=$c inside=1
        fi
    done
    _words+=("$word") _typed=${line:start}
}

# Offers those of the other words that begin with the first one. What was typed stays as it is; the rest is quoted.
_clockferry_offer() {
    local begun=$1 word rest

    for word in "${@:2}"; do
        [[ $word == "$begun"* ]] || continue
        rest=${word:${#begun}}
        case $_quote in
        \') rest=${rest//\'/\'\\\'\'} ;;
        \")
            rest=${rest//\\/\\\\} rest=${rest//\"/\\\"}
            rest=${rest//\$/\\\$} rest=${rest//\`/\\\`}
            ;;
        *) [[ -z $rest ]] || printf -v rest %q "$rest" ;;
        esac
        COMPREPLY+=("$_typed$rest")
    done
}

_clockferry_commands() {
    clockferry --help 2>/dev/null | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p'
}

# The options of a command in _takes, each with the name of its value, or with nothing.
_clockferry_options() {
    local line pattern='^ +(-([a-zA-Z]), )?(--[a-z-]+)(=([A-Z]+))?  '

    _takes=()
    while IFS= read -r line; do
        [[ $line =~ $pattern ]] || continue
        _takes[${BASH_REMATCH[3]}]=${BASH_REMATCH[5]}
        [[ -z ${BASH_REMATCH[2]} ]] || _takes[-${BASH_REMATCH[2]}]=${BASH_REMATCH[5]}
    done < <(clockferry "$1" --help 2>/dev/null)
}

# The URI of --connect in _uri, and how many arguments there are before the last word in _arguments.
_clockferry_arguments() {
    local word i

    _uri='' _arguments=0
    for ((i = 2; i < ${#_words[@]} - 1; i++)); do
        word=${_words[i]}
        case $word in
        --connect=*) _uri=${word#*=} ;;
        -c | --connect) _uri=${_words[++i]} ;;
        -*) [[ -z ${_takes[$word]-} ]] || ((++i)) ;;
        *) ((++_arguments)) ;;
        esac
    done
}

# Guests of the libvirt that --connect names, those that run or all.
_clockferry_guests() {
    local names=() connect=() all=()

    [[ -z $_uri ]] || connect=(-c "$_uri")
    case ${_words[1]} in enable | disable) all=(--all) ;; esac
    mapfile -t names < <(virsh -q "${connect[@]}" list --name "${all[@]}" 2>/dev/null </dev/null)
    _clockferry_offer "${_words[-1]}" "${names[@]}"
}

# What an option may be given: the name of its value, and its beginning.
_clockferry_value() {
    case $1 in
    FORMAT) _clockferry_offer "$2" text json prometheus kubevirt nfd ;;
    FORM) _clockferry_offer "$2" text json prometheus ;;
    POLICY) _clockferry_offer "$2" auto strict lax ;;
    RUNG) _clockferry_offer "$2" exact reanchored closed-loop realtime plain ;;
    URI) _clockferry_offer "$2" qemu:///system qemu:///session ;;
    KHZ | N) ;;
    *) compopt -o default 2>/dev/null ;;
    esac
}

_clockferry_argument() {
    case ${_words[1]}:${_uri:+uri}:$_arguments in
    annotate:* | enable:*:0 | disable:*:0 | state:uri:0 | check:uri:0) _clockferry_guests ;;
    *) compopt -o default 2>/dev/null ;;
    esac
}

_clockferry() {
    local _words _typed _quote _uri _arguments word before
    local -A _takes

    COMPREPLY=()
    _clockferry_split
    word=${_words[-1]} before=${_words[-2]-}
    if ((${#_words[@]} < 3)); then
        # shellcheck disable=SC2046 # commands are letters
        _clockferry_offer "$word" $(_clockferry_commands) help --help --version
        return
    fi
    if [[ $before == help || $before == --help ]]; then
        # shellcheck disable=SC2046
        _clockferry_offer "$word" $(_clockferry_commands)
        return
    fi
    _clockferry_options "${_words[1]}"
    _clockferry_arguments
    if [[ $word == --*=* ]]; then
        _clockferry_value "${_takes[${word%%=*}]-}" "${word#*=}"
    elif [[ $before == -* && ${_takes[$before]-} ]]; then
        _clockferry_value "${_takes[$before]}" "$word"
    elif [[ $word == -* ]]; then
        for before in "${!_takes[@]}"; do
            [[ $before != --* ]] || _clockferry_offer "$word" "$before"
        done
    else
        _clockferry_argument
    fi
}

complete -F _clockferry clockferry

# SPDX-License-Identifier: GPL-2.0-or-later
"""What every command does alike: help, wrong arguments, outputs that fail."""
import os
import pwd
import re
import resource
import shutil
import subprocess
import tempfile

import pool
from harness import places
from harness.command import (FAILURE, FINE, USAGE, fails, leftovers,
                             on_terminal, output, program, run)
from harness.tap import Missing

NEEDS_KVM = "probe", "selftest"
QUICK = {"selftest": ["--rounds", "2"]}


def commands():
    """The commands that --help lists."""
    found = re.findall(r"^  (\w+) +\S", output("--help"), re.M)
    assert len(found) >= 2, found
    return found


def test_help():
    """--help of the program and of each command, and --version"""
    assert re.fullmatch(r"clockferry \d+\.\d+\.\d+\n",
                        output("--version", status=[FINE]))
    for command in commands():
        text = output(command, "--help", status=[FINE])
        assert "clockferry %s" % command in text and "--help" in text, text
        assert max(map(len, text.splitlines())) <= 80, text


def test_usage():
    """Without a command, with an unknown one, with unknown options"""
    done = run()
    assert done.returncode == USAGE and "Usage" in done.stderr
    fails(USAGE, "none", words=["none", "--help"])
    for command in commands():
        fails(USAGE, command, "--none", words=["--none"])


def test_help_of():
    """help COMMAND and --help COMMAND are COMMAND --help, with an example"""
    for command in commands():
        text = output(command, "--help", status=[FINE])
        for before in "help", "--help", "-h":
            assert output(before, command, status=[FINE]) == text, before
        examples = re.search(r"^Examples?:\n((?:  clockferry .+\n)+)", text,
                             re.M)
        assert examples, text
        for line in examples[1].splitlines():
            assert line.startswith("  clockferry %s " % command) or \
                line == "  clockferry " + command, line
            for option in re.findall(r" (-[a-z]|--[a-z]+)\b", line):
                assert re.search(r"^ .*%s[ ,=]" % option, text, re.M), option
    assert output("help") == output("--help") == output("-h")
    assert output("version") == output("-V") == output("--version")
    fails(USAGE, "help", "none", words=["no command 'none'"])
    fails(USAGE, "help", "check", "probe", words=["probe"])


def test_suggestions():
    """What to do next: without a command, and after a typing error"""
    done = run()
    assert "\nStart with: clockferry probe\n" in done.stderr, done.stderr
    for typed, meant in (("prbe", "probe"), ("chek", "check"),
                         ("Matrix", "matrix"), ("self", "selftest"),
                         ("enabel", "enable"), ("staet", "state")):
        if meant in commands():
            fails(USAGE, typed, words=["did you mean '%s'?" % meant])
    for typed in "none", "", "xyz", "migrate":
        assert "did you mean" not in fails(USAGE, typed)


def test_one_voice():
    """One kind of quotes, one of ellipses"""
    texts = [output("--help")] + [output(command, "--help")
                                  for command in commands()]
    texts += [fails(USAGE, "selftest", "--rounds", "x",
                    words=["'x'", "clockferry selftest --help"]),
              fails(USAGE, "check", "--none", words=["check --help"])]
    for text in texts:
        assert "..." not in text and not re.search("[\u201c\u201d]", text), text


def test_not_text():
    """An option that isn't text is named"""
    for command, option in (("check", b"--policy=\xff"),
                            ("probe", b"--format=\xff")):
        sentence = fails(USAGE, command, os.fsdecode(option),
                         words=[option[:8].decode(), "encoding"],
                         env=dict(os.environ, LC_ALL="C.UTF-8"))
        assert "conversion" not in sentence, sentence


def test_too_many():
    """More arguments than a command takes"""
    for command in commands():
        # These take any number.
        if command not in ("annotate", "arrivals", "matrix"):
            fails(USAGE, command, *["x"] * 40)


def test_device():
    """No KVM device, or something else in its place"""
    with tempfile.TemporaryDirectory() as folder:
        for command in NEEDS_KVM:
            sentence = fails(FAILURE, command, "--device", folder + "/none",
                             words=["/none: No such file"])
            assert "kernel module" not in sentence, sentence
            fails(FAILURE, command, "--device", "/dev/null",
                  words=["is it a KVM device?"])
            fails(FAILURE, command, "--device", folder)
            fails(FAILURE, command, "--device", folder + "/evil\033[2J\nname")


def test_too_many_files():
    """No file descriptor left for a VM"""
    places.need_kvm()

    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))

    fails(FAILURE, "probe", preexec_fn=few_files, words=["too many files"])


def test_output_file():
    """--output writes the whole file, through a link too"""
    places.need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        file, link = folder + "/facts", folder + "/link"
        with open(file, "w", encoding="utf-8") as stream:
            stream.write("old")
        os.symlink("facts", link)
        for target in file, link, folder + "/new":
            for command in NEEDS_KVM:
                options = QUICK.get(command, [])
                assert not output(command, *options, "-o", target)
                with open(target, encoding="utf-8") as stream:
                    text = stream.read()
                assert text.endswith("\n") and text != "old"
        assert os.path.islink(link)
        leftovers(folder, "facts", "link", "new")


def test_endless_links():
    """Links that lead nowhere are no place for a file"""
    places.need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        os.symlink("there", folder + "/here")
        os.symlink("here", folder + "/there")
        for command in NEEDS_KVM:
            fails(FAILURE, command, *QUICK.get(command, []), "-o",
                  folder + "/here", words=["Too many levels of symbolic"])
        leftovers(folder, "here", "there")


def test_output_links():
    """--output doesn't follow another user's link, and keeps owner and mode"""
    if os.geteuid() != 0:
        raise Missing("root", "only root can make other users' files")
    nobody = pwd.getpwnam("nobody").pw_uid
    with tempfile.TemporaryDirectory() as folder:
        host = pool.write(folder, [pool.host(places.chance(), 0)])[0]
        shared, theirs = folder + "/shared", folder + "/theirs"
        secret = folder + "/secret"
        for path, owner, mode in (shared, 0, 0o1777), (theirs, nobody, 0o755):
            os.mkdir(path)
            os.chmod(path, mode)
            os.chown(path, owner, owner)
        with open(secret, "w", encoding="utf-8") as stream:
            stream.write("old")
        os.chmod(secret, 0o600)
        for link in shared + "/link", theirs + "/link", theirs + "/root's":
            os.symlink(secret, link)
            if not link.endswith("root's"):
                os.chown(link, nobody, nobody, follow_symlinks=False)
            # a link of ours that leads to that one, too
            os.symlink(link, folder + "/by-way-of")
            for path in link, folder + "/by-way-of":
                fails(FAILURE, "probe", "--from", host, "-o", path,
                      words=[link, "another user's symbolic link"])
            os.remove(folder + "/by-way-of")
        with open(secret, encoding="utf-8") as stream:
            assert stream.read() == "old"
        leftovers(shared, "link")
        os.chown(secret, nobody, 4711)
        os.symlink("secret", folder + "/ours")
        output("probe", "--from", host, "-o", folder + "/ours")
        info = os.stat(secret)
        assert (info.st_uid, info.st_gid, info.st_mode & 0o7777) == \
            (nobody, 4711, 0o600), info
        assert info.st_size > 100


def test_output_names():
    """-o - is the standard output; a file without a name is refused"""
    state = places.top("tests/codec/golden/state-1-full.json")
    with tempfile.TemporaryDirectory() as folder:
        files = pool.write(folder, [pool.host(places.chance(), i)
                                    for i in range(2)])
        for arguments in (["probe", "--from", files[0]], ["check", *files],
                          ["matrix", *files], ["diff", state, state]):
            wanted = output(*arguments, status=range(5), cwd=folder)
            assert output(*arguments, "-o", "-", status=range(5),
                          cwd=folder) == wanted
            fails(USAGE, *arguments, "-o", "", words=["--output"], cwd=folder)
        leftovers(folder, *map(os.path.basename, files))


def test_output_first():
    """selftest doesn't work for minutes before it sees that it can't write"""
    places.need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        for target in folder + "/none/x", folder:
            # so many rounds take longer than fails() waits
            fails(FAILURE, "selftest", "--rounds", "1000000", "-o", target,
                  words=[target])


def test_standard_input():
    """Only one file can be the standard input"""
    for command in "check", "diff", "matrix":
        fails(USAGE, command, "-", "-", words=["standard input"])


def test_output_fails():
    """A file that can't be written stays as it was"""
    places.need_kvm()
    with tempfile.TemporaryDirectory() as folder:
        fails(FAILURE, "probe", "-o", folder + "/none/facts")
        fails(FAILURE, "probe", "-o", folder)
        fails(FAILURE, "probe", "-o", "/dev/full", words=["No space left"])
        assert os.stat("/dev/full").st_rdev == os.makedev(1, 7)

        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

        file = folder + "/facts"
        with open(file, "w", encoding="utf-8") as stream:
            stream.write("old")
        # SIGXFSZ would end it; ignored, as in services, there is an error
        fails(FAILURE, "probe", "--json", "-o", file,
              preexec_fn=lambda: (small_files(), ignore("SIGXFSZ")))
        with open(file, encoding="utf-8") as stream:
            assert stream.read() == "old"
        leftovers(folder, "facts")


def ignore(name):
    import signal
    signal.signal(getattr(signal, name), signal.SIG_IGN)


def test_full_disk():
    """The standard output on a full disk: one sentence, not success"""
    wanted = [["--help"], ["--version"]]
    wanted += [[command, "--help"] for command in commands()]
    if not places.kvm_problem():
        wanted += [[command, *QUICK.get(command, [])]
                   for command in NEEDS_KVM]
    for arguments in wanted:
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([program(), *arguments], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        assert done.returncode == FAILURE, (arguments, done)
        assert done.stderr.startswith("clockferry: can't write") and \
            done.stderr.count("\n") == 1, done.stderr


def test_closed_output():
    """The standard output is closed"""
    done = subprocess.run([program(), "--help"], stderr=subprocess.PIPE,
                          preexec_fn=lambda: os.close(1), text=True)
    assert done.returncode == FAILURE and done.stderr, done


def test_ignored_sigpipe():
    """A closed pipe where SIGPIPE is ignored is an error like others"""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([program(), "--help"], stdout=write,
                          stderr=subprocess.PIPE, text=True,
                          restore_signals=False,
                          preexec_fn=lambda: ignore("SIGPIPE"))
    os.close(write)
    assert done.returncode == FAILURE, done
    assert "Broken pipe" in done.stderr, done.stderr


# On a disk that holds one page: a file, and then no more.
FULL_DISK = """
mount -t tmpfs -o size=4k clockferry "$1" && cd "$1" && printf old >file
shift
"$@"
status=$?
ls -A
cat file
exit $status
"""


def writers(folder):
    """A command of each kind that writes, with its inputs in the folder."""
    chance = places.chance()
    files = pool.write(folder, [pool.host(chance, i) for i in range(60)])
    found = [["matrix", form, *files]
             for form in ("--json", "--svg", "--html")]
    found += [["check", "--json", *files[:2]], ["probe", "--from", files[0]]]
    state = places.top("tests/codec/golden/state-1-full.json")
    found += [["diff", "--json", state, state]]
    found += [["arrivals", *form, places.top("tests/examples/vm-7-a.json")]
              for form in ([], ["--svg"])]
    if not places.kvm_problem():
        found += [["probe", "--json"],
                  ["selftest", "--json", "--rounds", "2"]]
    return found


def test_disk():
    """A disk that runs full keeps the old file, and nothing half written"""
    if os.geteuid() != 0 or not shutil.which("unshare") or \
            subprocess.run(["unshare", "--mount", "true"],
                           capture_output=True).returncode:
        raise Missing("root", "a small disk can't be mounted here")
    with tempfile.TemporaryDirectory() as folder, \
            tempfile.TemporaryDirectory() as disk:
        for arguments in writers(folder):
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", FULL_DISK, "sh", disk,
                 program(), *arguments, "-o", "file"],
                capture_output=True, text=True, timeout=60)
            assert done.returncode == FAILURE, (arguments[:2], done)
            assert done.stdout == "file\nold", (arguments[:2], done.stdout)
            assert done.stderr.startswith("clockferry: can't write file: ") \
                and "No space left" in done.stderr \
                and done.stderr.count("\n") == 1, done.stderr


def test_terminal():
    """A terminal gets its own charset, a pipe always UTF-8"""
    with tempfile.TemporaryDirectory() as folder:
        (file,) = pool.write(folder, [dict(pool.host(places.chance(), 1),
                                           host="h\u00f6st\u2026")])
        show = "probe", "--from", file
        assert b"h\xc3\xb6st\xe2\x80\xa6" in on_terminal(*show,
                                                        LC_ALL="C.UTF-8")
        for arguments in show, ("probe", "--help"):
            text = on_terminal(*arguments, LC_ALL="C")
            assert text.isascii() and text, text
        assert "h\u00f6st\u2026" in output(
            *show, "--json", env=dict(os.environ, LC_ALL="C"),
            encoding="utf-8")


HEAD = b'{"format": "clockferry-%s", "version": 1, "min_version": 1'
HOSTILE = [
    b"", b"{", b"\0" * 100, b"\xff\xfe{}", b"[" * 100000,
    HEAD + b', "x": ' + b'{"a":' * 100000 + b"1" + b"}" * 100001,
    HEAD + b"}" + b" " * (3 << 20), HEAD + b', "instant": 5, "vcpus": {}}',
    HEAD.replace(b'on": 1', b'on": 2') + b"}",
    HEAD + b', "host_khz": 1e999}', HEAD + b', "host_khz": "1"}',
    HEAD + b', "host": "\\u001b[2J"}',
]


def test_hostile_files():
    """Files made to do harm: one sentence that names the file"""
    state = places.top("tests/codec/golden/state-1-full.json")
    with tempfile.TemporaryDirectory() as folder:
        (good,) = pool.write(folder, [pool.host(places.chance(), 1)])
        evil = folder + "/evil\033[2J"
        for number, text in enumerate(HOSTILE):
            for kind, command in (
                    (b"probe", ["probe", "--from", evil]),
                    (b"probe", ["check", good, evil]),
                    (b"guest", ["check", evil, good]),
                    (b"probe", ["matrix", good, evil]),
                    (b"state", ["diff", state, evil])):
                with open(evil, "wb") as stream:
                    stream.write(text.replace(b"%s", kind))
                sentence = fails(FAILURE, *command, words=["evil?[2J"])
                assert len(sentence) < 500, (number, sentence)

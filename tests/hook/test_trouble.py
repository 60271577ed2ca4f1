# SPDX-License-Identifier: GPL-2.0-or-later
"""A host, a libvirt or a KVM that is out of order: never a false yes, never a
hook that hangs or that breaks another operation."""
import array
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import termios
import time

from harness import fakehost, places
from harness.tap import Missing, note
from harness.wait import LIMIT_S
from hook import (arguments, domain, element, environment, facts, program,
                  refused, sentence)

HOST = "newest"
FIT = domain(element(facts()))
OPERATIONS = ("prepare", "start", "started", "stopped", "release", "migrate",
              "restore", "reconnect", "attach", "", "daemon", "shutdown")


def broken(how):
    """This machine's KVM, but broken."""
    return environment(LD_PRELOAD=places.build("tests/hook/libbroken-kvm.so"),
                       BROKEN_KVM=how)


def unread(fd):
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def untouched(*words):
    """It succeeds, silently, and leaves its standard input alone."""
    reader, writer = os.pipe()
    os.write(writer, b"<domain/>")
    try:
        done = subprocess.run([program(), *words], stdin=reader,
                              capture_output=True, timeout=LIMIT_S,
                              env=broken("die"))
        assert (done.returncode, done.stdout, done.stderr) \
            == (0, b"", b""), (words, done)
        assert unread(reader) == 9, "%s: it read" % (words,)
    finally:
        os.close(reader)
        os.close(writer)


def test_others():
    """All other operations succeed, without a look at the input"""
    for operation in OPERATIONS:
        for stage in "end", "begins", "", "-", "abort":
            untouched("vm1", operation, stage, "-")
    for operation in OPERATIONS[:5]:
        untouched("vm1", operation, "begin", "-")
    for words in ((), ("vm1",), ("vm1", "migrate"), ("migrate", "begin")):
        untouched(*words)
    done = subprocess.run(arguments("stopped", "end"), capture_output=True,
                          preexec_fn=lambda: [os.close(fd) for fd in range(3)])
    assert done.returncode == 0


def test_minimal():
    """Those of them need no file but the program and its libraries"""
    places.need_own_files_only()
    if not shutil.which("strace"):
        raise Missing("strace", "strace isn't installed")
    done = subprocess.run(["strace", "-f", "-e", "trace=openat,open,socket,"
                           "connect,fork,clone,vfork", *arguments("reconnect")],
                          capture_output=True, text=True)
    if "exited with 0" not in done.stderr:
        raise Missing("strace", done.stderr[-200:])
    opened = [line for line in done.stderr.splitlines() if "(" in line
              and ".so" not in line and "ENOENT" not in line
              and "ld.so" not in line]
    assert not opened, opened


def test_no_kvm():
    """No KVM device, no right to use it, something else in its place"""
    for mount, words in (("mount --bind /dev/null /dev/kvm", "KVM device?"),
                         ("mount -t tmpfs none /dev", "load the kernel")):
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", mount + ' && exec "$@"', "sh",
             *arguments()], input=FIT.encode(), capture_output=True,
            env=environment())
        if b"clockferry" not in done.stderr:
            raise Missing("root", "unshare: %s" % done.stderr.decode().strip())
        assert done.returncode == 1 and not done.stdout, done
        sentence(done.stderr, "can't use KVM through /dev/kvm", words)


def test_kvm_dies():
    """KVM kills who asks it"""
    refused(FIT, "the probe of this host died", "run clockferry probe",
            env=broken("die"))


def test_lingers():
    """KVM is long in taking a VM down: the verdict doesn't wait for that"""
    places.need_kvm()
    done = subprocess.run(arguments(), input=FIT.encode(), timeout=LIMIT_S,
                          capture_output=True, env=broken("linger"))
    assert b"no verdict" not in done.stderr, done.stderr
    # this machine's facts may allow it or not
    assert done.returncode in (0, 1), done


def test_calls_fail():
    """KVM's calls fail, one after another"""
    for number, (call, words) in enumerate((
            ("KVM_GET_TSC_KHZ#1=EIO", "KVM_GET_TSC_KHZ failed"),
            ("KVM_SET_DEVICE_ATTR(TSC_OFFSET)#1+=EINVAL", "ignores TSC"),
            ("KVM_SET_DEVICE_ATTR(TSC_OFFSET)#1=EPERM", "sandbox"),
            ("KVM_SET_TSC_KHZ#1+=EINVAL", "3000000 kHz"),
            ("KVM_SET_CLOCK_GUEST#1+=EIO", "'exact' is required"))):
        host = fakehost.declare("fails-%d" % number, "fast", fail=call)
        guest = facts(require="exact")
        refused(domain(element(guest)), words, host=host)


def hang_on(variables, **options):
    """A hook that waits, in its own process group, so that all of it can be
    ended."""
    return subprocess.Popen(arguments(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=variables,
                            start_new_session=True, **options)


def deaf():
    """As a process may be that somebody else started."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGPIPE})


def waiting():
    """Hooks to which nobody gives the input or its end, whose output nobody
    takes, and, last, whose KVM never answers."""
    file = fakehost.folder() + "/fit.xml"
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(FIT.replace("</devices>", "x" * 300000 + "</devices>"))
    hooks = [hang_on(environment(HOST), stdin=subprocess.PIPE,
                     preexec_fn=how) for how in (None, deaf, None)]
    hooks[-1].stdin.write(FIT[:200].encode())
    hooks[-1].stdin.flush()
    for variables in environment(HOST), broken("hang"):
        with open(file, encoding="utf-8") as stdin:
            hooks.append(hang_on(variables, stdin=stdin))
    return hooks


def test_hangs():
    """No input, nobody at the output, a deaf KVM: it ends by itself"""
    places.need_kvm()
    hooks = waiting()
    for each in hooks:
        # KVM itself hangs longer
        assert each.wait(LIMIT_S) == 1, each.returncode
        # to the end of its output, which nobody else must hold open
        out, err = each.stdout.read(), each.stderr.read()
        assert len(out) < 300000, "nothing was in its way"
        sentence(err, "no verdict within 5 s")
    try:
        # what hangs in KVM is still there, and held nobody up
        os.killpg(hooks[-1].pid, signal.SIGKILL)
    except ProcessLookupError:
        raise AssertionError("KVM didn't hang") from None
    for each in hooks:
        for stream in each.stdin, each.stdout, each.stderr:
            if stream:
                stream.close()


def test_output_fails():
    """Half an XML is never a yes"""
    places.need_kvm()
    with open("/dev/full", "wb") as full:
        done = subprocess.run(arguments(), input=FIT.encode(), stdout=full,
                              stderr=subprocess.PIPE, env=environment(HOST))
    assert done.returncode == 1
    sentence(done.stderr, "can't write its XML: No space left")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(arguments(), input=FIT.encode(), stdout=writer,
                          stderr=subprocess.PIPE, env=environment(HOST))
    os.close(writer)
    assert done.returncode == 1, done
    sentence(done.stderr, "can't write its XML: Broken pipe")


def test_slow_reader():
    """Whoever takes the XML slowly gets all of it"""
    places.need_kvm()
    xml = FIT.replace("</devices>", "x" * 1000000 + "</devices>")
    hook = subprocess.Popen(arguments(), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=environment(HOST))
    hook.stdin.write(xml.encode())
    hook.stdin.close()
    out = b""
    while piece := os.read(hook.stdout.fileno(), 65536):
        out += piece
        time.sleep(0.5)
    err = hook.stderr.read()
    assert hook.wait(LIMIT_S) == 0 and not err, err
    assert len(out) > 1000000 and out.endswith(b"</domain>\n"), len(out)


def test_closed():
    """Standard input or output are closed, or not for that"""
    places.need_kvm()
    for fd, words in (0, "can't read its XML: Bad"), (1, "can't write its"):
        done = subprocess.run(arguments(), input=FIT.encode(),
                              stderr=subprocess.PIPE, env=environment(HOST),
                              preexec_fn=lambda: os.close(fd))
        assert done.returncode == 1, done
        sentence(done.stderr, words)
    with open(os.devnull, "wb") as wrong:
        done = subprocess.run(arguments(), stdin=wrong, capture_output=True,
                              env=environment(HOST))
    assert done.returncode == 1 and not done.stdout
    sentence(done.stderr, "can't read its XML: Bad file descriptor")


def test_memory():
    """With too little memory: no XML, and in the end a sentence"""
    places.need_kvm()
    elements = 500000
    big = domain(element(facts()), others="<x>%s</x>" % ("<a/>" * elements))
    spoken = 0
    for mib in range(16, 1024, 16):
        def little(limit=mib << 20):
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        done = subprocess.run(arguments(), input=big.encode(),
                              capture_output=True, preexec_fn=little,
                              env=environment(HOST), timeout=LIMIT_S)
        if done.returncode == 0:
            break
        assert not done.stdout, (mib, done.stdout[-99:])
        if done.returncode != 127:
            # its libraries could be loaded; some versions of GLib say
            # something, too
            sentence(done.stderr.splitlines(True)[-1])
            spoken += 1
    assert done.stdout.count(b"<a/>") == elements
    assert done.stdout.endswith(b"</domain>\n"), done.stdout[-99:]
    assert spoken, "it never got far enough to speak"
    note("%d MiB were enough; %d refusals in a sentence" % (mib, spoken))


def test_memory_limit():
    """It takes no more than 1 GiB, whatever the XML is"""
    hook = hang_on(environment(), stdin=subprocess.PIPE)
    wanted = "Max address space".ljust(26) + "1073741824"
    limits = ""
    while wanted not in limits and hook.poll() is None:
        with open("/proc/%d/limits" % hook.pid, encoding="utf-8") as file:
            limits = file.read()
    hook.kill()
    hook.communicate()
    assert wanted in limits, limits


def test_files():
    """No file descriptor left"""
    places.need_kvm()

    def few(what, limit):
        return lambda: resource.setrlimit(what, (limit, limit))

    said = refused(FIT, preexec_fn=few(resource.RLIMIT_NOFILE, 4))
    assert "Too many open files" in said or "too many files" in said, said


def test_no_process():
    """No process left"""
    refused(FIT, "fork failed: Resource temporarily unavailable",
            env=broken("alone"))


def test_many():
    """Many at once, as when a host is emptied"""
    places.need_kvm()
    hooks = [subprocess.Popen(arguments(), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment(HOST)) for _ in range(20)]
    for each in hooks:
        out, err = each.communicate(FIT.encode(), timeout=LIMIT_S)
        assert each.returncode == 0 and out.endswith(b"</domain>\n"), err

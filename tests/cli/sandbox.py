# SPDX-License-Identifier: GPL-2.0-or-later
"""A sandbox that forbids calls: a seccomp filter, as services have them."""
import ctypes
import errno
import struct

# linux/kvm.h: what the command asks of KVM
IOCTLS = {
    "KVM_GET_API_VERSION": 0xAE00,
    "KVM_CREATE_VM": 0xAE01,
    "KVM_CHECK_EXTENSION": 0xAE03,
    "KVM_GET_VCPU_MMAP_SIZE": 0xAE04,
    "KVM_GET_SUPPORTED_CPUID": 0xC008AE05,
    "KVM_CREATE_VCPU": 0xAE41,
    "KVM_SET_USER_MEMORY_REGION": 0x4020AE46,
    "KVM_SET_TSS_ADDR": 0xAE47,
    "KVM_SET_IDENTITY_MAP_ADDR": 0x4008AE48,
    "KVM_CREATE_IRQCHIP": 0xAE60,
    "KVM_SET_CLOCK": 0x4030AE7B,
    "KVM_GET_CLOCK": 0x8030AE7C,
    "KVM_RUN": 0xAE80,
    "KVM_GET_MSRS": 0xC008AE88,
    "KVM_SET_MSRS": 0x4008AE89,
    "KVM_SET_CPUID2": 0x4008AE90,
    "KVM_SET_TSC_KHZ": 0xAEA2,
    "KVM_GET_TSC_KHZ": 0xAEA3,
    "KVM_SET_CLOCK_GUEST": 0x4020AED6,
    "KVM_GET_CLOCK_GUEST": 0x8020AED7,
    "KVM_SET_DEVICE_ATTR": 0x4018AEE1,
    "KVM_GET_DEVICE_ATTR": 0x4018AEE2,
}

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SYS_IOCTL, CALLS = 16, {"fchown": 93}
# struct seccomp_data: nr at 0; of args[1], the request, the lower half at 24
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def _of_ioctls(request, code):
    """Of a 64-bit x86 program's calls only this ioctl fails."""
    return [(LOAD, 0, 0, 0), (IF_EQUAL, 0, 3, SYS_IOCTL),
            (LOAD, 0, 0, 24), (IF_EQUAL, 0, 1, request),
            (RETURN, 0, 0, ERRNO | code), (RETURN, 0, 0, ALLOW)]


def _of_calls(number, code):
    """Only this call fails."""
    return [(LOAD, 0, 0, 0), (IF_EQUAL, 0, 1, number),
            (RETURN, 0, 0, ERRNO | code), (RETURN, 0, 0, ALLOW)]


class _Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def _program(name, code):
    steps = _of_calls(CALLS[name], code) if name in CALLS \
        else _of_ioctls(IOCTLS[name], code)
    return _Program(len(steps), b"".join(struct.pack("<HBBI", *step)
                                         for step in steps))


def forbid(name, code=errno.EPERM):
    """For preexec_fn: that call or ioctl fails from now on, for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = _program(name, code)

    def enter():
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
                libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
                           ctypes.byref(program), 0, 0):
            raise OSError(ctypes.get_errno(), "no seccomp filter")

    return enter

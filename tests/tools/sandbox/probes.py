"""What a hostile program tries, by name: each is a line of Python that succeeds only if the sandbox leaks.

`PROGRAM` tries them one after the other and prints, for each, whether it was held. The names that the lines use
(`secret`, `tcp`, `parent` …) are facts about the host, filled in by the test.
"""

from __future__ import annotations

import json

_CLONE_NEWUSER = 0x10000000

# Files that the modes would let anyone read or write: only the sandbox stands in between.
FILES = {
    "read /etc/shadow": "open('/etc/shadow').read()",
    "read /etc/passwd": "open('/etc/passwd').read()",
    "list the home folder": "os.listdir(home)",
    "read a secret": "open(secret).read()",
    "read an ssh key": "open(key).read()",
    "read the database": "open(database, 'rb').read()",
    "open the database with sqlite": "sqlite3.connect(f'file:{database}?mode=ro', uri=True).execute('select 1')",
    "list the folder of a secret": "os.listdir(outside)",
    "read a secret through a link": "through_link(secret)",
    "read a secret through a linked folder": "through_folder(outside, 'secret.txt')",
    "read a secret through a hard link": "through_hard_link(secret)",
    "write a new file outside": "open(outside + '/new.txt', 'w').write('x')",
    "overwrite a file outside": "open(secret, 'w').write('x')",
    "append to a file outside": "open(secret, 'a').write('x')",
    "truncate a file outside": "os.truncate(secret, 0)",
    "delete a file outside": "os.unlink(secret)",
    "rename a file outside": "os.rename(secret, secret + '.old')",
    "take a file from outside": "os.rename(secret, 'mine')",
    "make a folder outside": "os.mkdir(outside + '/folder')",
    "make a link outside": "os.symlink('/', outside + '/link')",
    "write to /usr": "open('/usr/ratchet-probe', 'w')",
    "write to /etc": "open('/etc/ratchet-probe', 'w')",
    "write to /": "open('/ratchet-probe', 'w')",
    "write into the standard library": "open(os.__file__, 'a')",
    "change an attribute outside": "os.setxattr(secret, 'user.probe', b'x')",
}
PROCESSES = {
    "list the processes": "[name for name in os.listdir('/proc') if name.isdigit()]",
    "read the parent's variables": "open(f'/proc/{parent}/environ').read()",
    "read one's own variables from /proc": "open('/proc/self/environ').read()",
    "read the parent's memory": "open(f'/proc/{parent}/mem', 'rb')",
    "read the kernel's settings": "open('/proc/sys/kernel/core_pattern').read()",
    "list /sys": "os.listdir('/sys')",
    "signal the parent": "os.kill(parent, 0)",
    "end the parent": "os.kill(parent, signal.SIGTERM)",
    "end a thread of the parent": "call('tgkill', parent, parent, 0)",
    "queue a signal to the parent": "call('rt_sigqueueinfo', parent, 0, 0)",
    "have the kernel signal the parent": "fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, parent)",
    "trace the parent": "call('ptrace', 16, parent, 0, 0)",
    "let oneself be traced": "call('ptrace', 0, 0, 0, 0)",
    "read the parent by process_vm_readv": "call('process_vm_readv', parent, 0, 0, 0, 0, 0)",
    "open the parent as a descriptor": "call('pidfd_open', parent, 0)",
    "limit the parent": "resource.prlimit(parent, resource.RLIMIT_NOFILE)",
    "slow the parent down": "os.setpriority(os.PRIO_PROCESS, parent, 19)",
    "move the parent to a processor": "os.sched_setaffinity(parent, {0})",
    "leave the process group": "os.setpgid(0, 0)",
    "leave the session": "in_a_child(os.setsid)",
    "raise a limit": "resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))",
}
NETWORK = {
    "connect by TCP": "connect(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', tcp))",
    "send by UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', udp))",
    "connect by TCP over IPv6": "connect(socket.AF_INET6, socket.SOCK_STREAM, ('::1', tcp))",
    "listen": "socket.create_server(('127.0.0.1', 0))",
    "resolve a name": "socket.getaddrinfo('example.org', 80)",
    "connect to a unix socket": "connect(socket.AF_UNIX, socket.SOCK_STREAM, unix)",
    "connect to an abstract socket": "connect(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + abstract)",
    "send a datagram to a unix socket": "connect(socket.AF_UNIX, socket.SOCK_DGRAM, datagram)",
    "send a datagram by way of a pair": "pair_to(datagram)",
    "send packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "speak netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "reach a virtual machine's host": "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
    "reach the kernel's ciphers": "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
}
KERNEL = {
    "mount": "call('mount', b'none', b'/work', b'tmpfs', 0, 0)",
    "unmount": "call('umount2', b'/', 2)",
    "open a tree to mount": "call('open_tree', -100, b'/', 1)",
    "change the root": "os.chroot('.')",
    "pivot the root": "call('pivot_root', b'.', b'.')",
    "unshare users": f"call('unshare', {_CLONE_NEWUSER})",
    "unshare mounts": "call('unshare', 0x20000)",
    "clone into new users": f"call('clone', {_CLONE_NEWUSER} | 17, 0, 0, 0, 0)",
    "clone3": "call('clone3', ctypes.create_string_buffer(88), 88)",
    "enter a namespace": "call('setns', 0, 0)",
    "io_uring": "call('io_uring_setup', 8, ctypes.create_string_buffer(120))",
    "bpf": "call('bpf', 0, ctypes.create_string_buffer(64), 64)",
    "perf_event_open": "call('perf_event_open', ctypes.create_string_buffer(128), 0, -1, -1, 0)",
    "userfaultfd": "call('userfaultfd', 1)",
    "keyctl": "call('keyctl', 0, -3, 0)",
    "add_key": "call('add_key', b'user', b'probe', b'x', 1, -3)",
    "load a module": "call('init_module', b'', 0, b'')",
    "load a module from a file": "call('finit_module', 0, b'', 0)",
    "remove a module": "call('delete_module', b'probe', 0)",
    "kexec": "call('kexec_load', 0, 0, 0, 0)",
    "reboot": "call('reboot', 0xfee1dead, 672274793, 0, 0)",
    "swap": "call('swapoff', b'/none')",
    "set the clock": "time.clock_settime(time.CLOCK_REALTIME, time.time())",
    "set the host name": "socket.sethostname('probe')",
    "become root": "os.setuid(0)",
    "become another group": "os.setgid(0)",
    "take capabilities": "call('capset', ctypes.create_string_buffer(8), ctypes.create_string_buffer(24))",
    "change the personality": "call('personality', 0x0400000)",
    "open by handle": "call('open_by_handle_at', -100, ctypes.create_string_buffer(32), 0)",
    "memory that no limit counts": "os.memfd_create('probe')",
    "shared memory of System V": "call('shmget', 0, 4096, 0o1600)",
    "message queues": "call('msgget', 0, 0o1600)",
    "watch files": "call('inotify_init1', 0)",
    "type into the terminal": "fcntl.ioctl(0, 0x5412, b'x')",
    "another seccomp filter": "call('seccomp', 0, 0, 0)",
    "a number from the future": "libc_call(4000)",
    "a number of the x32 kind": "libc_call(0x40000000 + 39)",
}
DEVICES = {
    f"open {device}": f"os.open({device!r}, os.O_RDWR)"
    for device in ("/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/tty", "/dev/fuse", "/dev/kvm", "/dev/ptmx")
} | {"make a device": "os.mknod('device', 0o600 | 0o020000, os.makedev(1, 1))"}

PROBES = FILES | PROCESSES | NETWORK | KERNEL | DEVICES
# Run without any sandbox by any user, these must succeed, or they would prove nothing.
LIVE = {
    "list the home folder",
    "read a secret",
    "read an ssh key",
    "read the database",
    "list the folder of a secret",
    "read a secret through a link",
    "read a secret through a linked folder",
    "write a new file outside",
    "append to a file outside",
    "make a folder outside",
    "list the processes",
    "read one's own variables from /proc",
    "signal the parent",
    "limit the parent",
    "have the kernel signal the parent",
    "connect by TCP",
    "send by UDP",
    "connect to a unix socket",
    "connect to an abstract socket",
    "send a datagram by way of a pair",
    "speak netlink",
    "memory that no limit counts",
    "shared memory of System V",
    "watch files",
}

# x86-64 and AArch64, where they differ or Python has no function for it.
NUMBERS = {
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "pidfd_open": (434, 434),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "pivot_root": (155, 41),
    "unshare": (272, 97),
    "clone": (56, 220),
    "clone3": (435, 435),
    "setns": (308, 268),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "swapoff": (168, 225),
    "capset": (126, 91),
    "personality": (135, 92),
    "open_by_handle_at": (304, 265),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "inotify_init1": (294, 26),
    "seccomp": (317, 277),
}

PROGRAM = """
import ctypes, fcntl, json, os, platform, resource, signal, socket, sqlite3, time

libc = ctypes.CDLL(None, use_errno=True)
column = ["x86_64", "aarch64"].index(platform.machine())

def libc_call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def call(name, *arguments):
    return libc_call(numbers[name][column], *arguments)

def connect(family, kind, address):
    with socket.socket(family, kind) as opened:
        opened.settimeout(2)
        opened.connect(address)
        opened.send(b"x")

def pair_to(address):
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.sendto(b"x", address)

def through_link(path):
    os.symlink(path, "link")
    return open("link").read()

def through_folder(path, name):
    os.symlink(path, "folder")
    return open("folder/" + name).read()

def through_hard_link(path):
    os.link(path, "hard")
    return open("hard").read()

def in_a_child(action):
    child = os.fork()
    if not child:
        try:
            action()
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError("the child could not")

found = {}
for name, line in probes.items():
    try:
        found[name] = ["leaked", repr(eval(line))[:100]]
    except Exception as error:
        found[name] = ["held", f"{type(error).__name__}: {error}"[:100]]
print(json.dumps(found))
"""


def program(facts: dict[str, object], names: set[str] | None = None) -> str:
    """The program that tries the probes of some names, or all; `facts` are its global variables."""
    chosen = {name: line for name, line in PROBES.items() if names is None or name in names}
    given = facts | {"probes": chosen, "numbers": NUMBERS}
    return f"import json\nglobals().update(json.loads({json.dumps(json.dumps(given))}))\n{PROGRAM}"

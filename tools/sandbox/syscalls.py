"""The system calls that a Python program needs, with their numbers, by what they are for.

Each entry is name:number on x86-64:number on AArch64, "-" where an architecture lacks it (Linux's
asm/unistd_64.h and asm-generic/unistd.h). What is not listed here is refused: sockets, other processes' memory,
namespaces, mounts, modules, io_uring, BPF, keys, and whatever future kernels add.
"""

from __future__ import annotations

# Files, and pipes and socket pairs that are already open.
FILES = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69 pwritev:296:70
preadv2:327:286 pwritev2:328:287 open:2:- openat:257:56 openat2:437:437 creat:85:- close:3:57 close_range:436:436
stat:4:- fstat:5:80 lstat:6:- newfstatat:262:79 statx:332:291 lseek:8:62 access:21:- faccessat:269:48
faccessat2:439:439 getdents:78:- getdents64:217:61 readlink:89:- readlinkat:267:78 mkdir:83:- mkdirat:258:34
rmdir:84:- unlink:87:- unlinkat:263:35 rename:82:- renameat:264:38 renameat2:316:276 link:86:- linkat:265:37
symlink:88:- symlinkat:266:36 ftruncate:77:46 fallocate:285:47 fsync:74:82 fdatasync:75:83 sync_file_range:277:84
fadvise64:221:223 readahead:187:213 dup:32:23 dup2:33:- dup3:292:24 flock:73:32 copy_file_range:326:285
sendfile:40:71 splice:275:76 getcwd:79:17 chdir:80:49 fchdir:81:50 umask:95:166 statfs:137:43 fstatfs:138:44
pipe:22:- pipe2:293:59 eventfd2:290:19 epoll_create1:291:20 epoll_create:213:- epoll_ctl:233:21 epoll_wait:232:-
epoll_pwait:281:22 epoll_pwait2:441:441 poll:7:- ppoll:271:73 select:23:- pselect6:270:72 timerfd_create:283:85
timerfd_settime:286:86 timerfd_gettime:287:87 sendto:44:206 recvfrom:45:207 sendmsg:46:211 recvmsg:47:212
shutdown:48:210 getsockopt:55:209 setsockopt:54:208 getsockname:51:204 getpeername:52:205
"""

# Memory of one's own; no memfd, whose pages no limit of a process counts.
MEMORY = """
mmap:9:222 munmap:11:215 mremap:25:216 mprotect:10:226 madvise:28:233 brk:12:214 msync:26:227 mincore:27:232
membarrier:324:283 get_mempolicy:239:236
"""

# Processes, time, and signals to oneself; no setsid or setpgid, so that one signal ends the whole group.
PROCESSES = """
fork:57:- vfork:58:- execve:59:221 execveat:322:281 exit:60:93 exit_group:231:94 wait4:61:260 waitid:247:95
getpid:39:172 getppid:110:173 gettid:186:178 getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177
getresuid:118:148 getresgid:120:150 getgroups:115:158 getpgrp:111:- getpgid:121:155 getsid:124:156 getrlimit:97:163
setrlimit:160:164 getrusage:98:165 times:100:153 uname:63:160 sysinfo:99:179 getcpu:309:168 sched_yield:24:124
sched_getaffinity:204:123 sched_getparam:143:121 sched_getscheduler:145:120 sched_get_priority_max:146:125
sched_get_priority_min:147:126 getpriority:140:141 set_tid_address:218:96 set_robust_list:273:99 rseq:334:293
arch_prctl:158:- futex:202:98 capget:125:90 restart_syscall:219:128 rt_sigaction:13:134 rt_sigprocmask:14:135
rt_sigreturn:15:139 rt_sigpending:127:136 rt_sigsuspend:130:133 rt_sigtimedwait:128:137 sigaltstack:131:132
pause:34:- alarm:37:- getitimer:36:102 setitimer:38:103 timer_create:222:107 timer_settime:223:110
timer_gettime:224:108 timer_delete:226:111 timer_getoverrun:225:109 clock_gettime:228:113 clock_getres:229:114
clock_nanosleep:230:115 nanosleep:35:101 gettimeofday:96:169 time:201:- getrandom:318:278
"""

# Signals to others.
SIGNALS = """
kill:62:129 tkill:200:130 tgkill:234:131
"""

# Modes, owners and times, which Landlock does not guard.
METADATA = """
chmod:90:- fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 chown:92:- fchown:93:55 lchown:94:- fchownat:260:54
utime:132:- utimes:235:- futimesat:261:- utimensat:280:88
"""

# Extended attributes, likewise.
ATTRIBUTES = """
setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16
getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11 llistxattr:195:12 flistxattr:196:13
"""

# Calls that are looked at more closely: see `seccomp`.
CHECKED = """
clone:56:220 clone3:435:435 ioctl:16:29 fcntl:72:25 prctl:157:167 prlimit64:302:261 sched_setaffinity:203:122
socketpair:53:199 truncate:76:45
"""


def numbers(group: str, column: int) -> dict[str, int]:
    """Name → number of the calls of a group that an architecture has; column 0 is x86-64, 1 is AArch64."""
    entries = (entry.split(":") for entry in group.split())
    return {name: int(found[column]) for name, *found in entries if found[column] != "-"}

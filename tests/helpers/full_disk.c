/* A disk that is full from a chosen moment on: preloaded into a process, it counts what takes room under a folder
   and lets it fail with ENOSPC. A seccomp filter traps the system calls themselves, so that whoever makes them is
   reached: Python, SQLite, GDAL, and what C's streams write when they are closed. What is to happen, and how far it
   is, stands in a file that all processes of a run share. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define OURS 0x5eedf00dL /* sixth argument, which none of these calls has: our own call, let through */

struct disk {
    long at;   /* the call, from 1, that meets a full disk; 0 = none */
    long once; /* 1 = that call alone; 0 = it writes half, and nothing has room from then on */
    long seen; /* calls so far */
    char log[4096 - 3 * sizeof(long)]; /* the call that failed first */
};
static struct disk *disk;
static char folder[4096];

enum { FD, PATH0, PATH1, PATH2, PATH3 };
static const struct { int call, what; } TRAPPED[] = {
    {SYS_write, FD}, {SYS_pwrite64, FD}, {SYS_writev, FD}, {SYS_pwritev, FD}, {SYS_sendfile, FD},
    {SYS_ftruncate, FD}, {SYS_fallocate, FD}, {SYS_fsync, FD}, {SYS_fdatasync, FD},
    {SYS_openat, PATH1}, {SYS_mkdirat, PATH1}, {SYS_linkat, PATH3}, {SYS_symlinkat, PATH2},
    {SYS_renameat, PATH3}, {SYS_renameat2, PATH3},
#ifdef SYS_open
    {SYS_open, PATH0}, {SYS_mkdir, PATH0}, {SYS_link, PATH1}, {SYS_symlink, PATH1}, {SYS_rename, PATH1},
#endif
};
enum { CALLS = sizeof TRAPPED / sizeof *TRAPPED };

static int takes_room(int call, const long *args, char *place) {
    int number = 0;
    while (TRAPPED[number].call != call) number++;
    if (TRAPPED[number].what == FD) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%ld", args[0]);
        ssize_t length = readlink(link, place, 4095);
        if (length < 0) return 0;
        place[length] = 0;
    } else {
        strncpy(place, (const char *)args[TRAPPED[number].what - PATH0], 4095);
        int is_made = call != SYS_renameat && call != SYS_renameat2;
#ifdef SYS_open
        is_made = is_made && call != SYS_rename;
#endif
        if (is_made && access(place, F_OK) == 0) return 0; /* nothing new is made */
    }
    return strncmp(place, folder, strlen(folder)) == 0;
}

static void on_call(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    ucontext_t *state = context;
    int call = info->si_syscall, before = errno;
#if defined(__x86_64__)
    greg_t *registers = state->uc_mcontext.gregs;
    long args[5] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX], registers[REG_R10],
                    registers[REG_R8]};
#define RESULT registers[REG_RAX]
#elif defined(__aarch64__)
    long args[5];
    for (int i = 0; i < 5; i++) args[i] = state->uc_mcontext.regs[i];
#define RESULT state->uc_mcontext.regs[0]
#endif
    char place[4096] = "";
    int is_writing = call == SYS_write || call == SYS_pwrite64;
    if (takes_room(call, args, place)) {
        long number = __atomic_add_fetch(&disk->seen, 1, __ATOMIC_SEQ_CST);
        if (disk->at && (disk->once ? number == disk->at : number >= disk->at)) {
            if (number == disk->at) snprintf(disk->log, sizeof disk->log, "%d %.4000s", call, place);
            if (disk->once || number > disk->at || !is_writing || args[2] < 2) {
                RESULT = -ENOSPC;
                errno = before;
                return;
            }
            args[2] /= 2;
        }
    }
    long result = syscall(call, args[0], args[1], args[2], args[3], args[4], OURS);
    RESULT = result < 0 ? -errno : result;
    errno = before;
}

__attribute__((constructor)) static void arm(void) {
    const char *shared = getenv("FULL_DISK"), *under = getenv("FULL_DISK_UNDER");
    if (!shared || !under) return;
    strncpy(folder, under, sizeof folder - 1);
    int handle = open(shared, O_RDWR | O_CLOEXEC);
    disk = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
    if (handle < 0 || disk == MAP_FAILED) abort();
    close(handle);
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
    if (sigaction(SIGSYS, &action, NULL)) abort();
    if (getenv("FULL_DISK_ARMED")) return; /* a filter outlives exec */
    setenv("FULL_DISK_ARMED", "1", 1);
    struct sock_filter filter[2 * CALLS + 16];
    int size = 0;
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_filter trap = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
#define LOAD(field) \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define EQUAL(value, yes, no) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
    filter[size++] = LOAD(args[5]); /* the lower half, on both machines */
    filter[size++] = EQUAL(OURS, 0, 1);
    filter[size++] = allow;
    filter[size++] = LOAD(nr);
    filter[size++] = EQUAL(SYS_copy_file_range, 0, 1); /* it has six arguments: its callers know to do without */
    filter[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    for (int i = 0; i < CALLS; i++) {
        int call = TRAPPED[i].call, flags = call == SYS_openat ? 2 : -1;
#ifdef SYS_open
        flags = call == SYS_open ? 1 : flags;
#endif
        if (flags < 0) {
            filter[size++] = EQUAL(call, 0, 1);
            filter[size++] = trap;
            continue;
        }
        filter[size++] = EQUAL(call, 0, 4);
        filter[size++] = LOAD(args[0]) ;
        filter[size - 1].k += 8 * flags;
        filter[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_CREAT, 0, 1);
        filter[size++] = trap;
        filter[size++] = allow;
    }
    filter[size++] = allow;
    struct sock_fprog program = {.len = size, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) abort();
}

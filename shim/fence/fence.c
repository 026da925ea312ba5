#define _GNU_SOURCE
#include "CXenSockFence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/magic.h>

/* file_ioctl_compat is not there before 6.1.75 and 6.8, where file_ioctl serves both. file_lock: what a program has given
 * back is known by a lock on its descriptor, which it must not lift. */
static const struct {
    const char *hook;
    const char *pin;
    int is_optional;
} hooks[] = {
    {"bpf_lsm_file_ioctl", CXEN_FENCE_DIRECTORY "/ioctl", 0},
    {"bpf_lsm_file_ioctl_compat", CXEN_FENCE_DIRECTORY "/ioctl-compat", 1},
    {"bpf_lsm_file_lock", CXEN_FENCE_DIRECTORY "/lock", 0},
};
enum { HOOKS = sizeof hooks / sizeof hooks[0] };

static int fail(int error, char *reason, size_t size, const char *what) {
    snprintf(reason, size, "%s: %s", what, strerror(error));
    return -error;
}

/* The offset in bytes of a member of a structure, or -1. */
static int offset_of(const struct btf *btf, const char *structure, const char *member) {
    int id = btf__find_by_name_kind(btf, structure, BTF_KIND_STRUCT);
    const struct btf_type *type = id < 0 ? NULL : btf__type_by_id(btf, (unsigned)id);
    for (unsigned index = 0; type && index < btf_vlen(type); index++) {
        const char *name = btf__name_by_offset(btf, btf_members(type)[index].name_off);
        unsigned bits = btf_member_bit_offset(type, index);
        if (name && strcmp(name, member) == 0 && bits % 8 == 0 && bits / 8 < INT16_MAX) return (int)(bits / 8);
    }
    return -1;
}

static struct bpf_insn load(int size, int to, int from, int offset) {
    return (struct bpf_insn){.code = (uint8_t)(BPF_LDX | size | BPF_MEM),
                             .dst_reg = (uint8_t)to & 15,
                             .src_reg = (uint8_t)from & 15,
                             .off = (int16_t)offset};
}

static struct bpf_insn with_constant(int code, int to, int offset, int value) {
    return (struct bpf_insn){.code = (uint8_t)code, .dst_reg = (uint8_t)to & 15, .off = (int16_t)offset, .imm = value};
}

/* Makes the program for hooks whose first argument is a `struct file`. A descriptor, or a negative errno. */
static int make_program(const struct btf *btf, int hook, uint32_t device) {
    int inode = offset_of(btf, "file", "f_inode");
    int number = offset_of(btf, "inode", "i_rdev");
    int mode = offset_of(btf, "inode", "i_mode");
    if (inode < 0 || number < 0 || mode < 0) return -ENOENT;
    const struct bpf_insn program[] = {
        load(BPF_DW, BPF_REG_6, BPF_REG_1, 0),
        load(BPF_DW, BPF_REG_6, BPF_REG_6, inode),
        load(BPF_W, BPF_REG_7, BPF_REG_6, number),
        with_constant(BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_7, 7, (int)device),
        load(BPF_H, BPF_REG_7, BPF_REG_6, mode),
        with_constant(BPF_ALU | BPF_AND | BPF_K, BPF_REG_7, 0, S_IFMT),
        with_constant(BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_7, 4, S_IFCHR),
        with_constant(BPF_JMP | BPF_CALL, 0, 0, BPF_FUNC_get_current_uid_gid),
        with_constant(BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_0, 2, 0),
        with_constant(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, -EPERM),
        with_constant(BPF_JMP | BPF_EXIT, 0, 0, 0),
        with_constant(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
        with_constant(BPF_JMP | BPF_EXIT, 0, 0, 0),
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC, .attach_btf_id = (uint32_t)hook);
    return bpf_prog_load(BPF_PROG_TYPE_LSM, "xensock_fence", "Dual MIT/GPL", program,
                         sizeof program / sizeof program[0], &options);
}

/* Attaches a program to a hook. A link's descriptor, -ENOENT where there is no such hook, or another negative errno. */
static int attach(const struct btf *btf, const char *hook, uint32_t device) {
    int id = btf__find_by_name_kind(btf, hook, BTF_KIND_FUNC);
    if (id < 0) return -ENOENT;
    int program = make_program(btf, id, device);
    if (program < 0) return program;
    int link = bpf_raw_tracepoint_open(NULL, program);
    close(program);
    return link;
}

static int has_namespace_of_its_own(void) {
    struct stat own, first;
    return stat("/proc/self/ns/mnt", &own) != 0 || stat("/proc/1/ns/mnt", &first) != 0 || own.st_ino != first.st_ino;
}

static int mount_bpffs(char *reason, size_t size) {
    struct statfs status;
    if (statfs("/sys/fs/bpf", &status) == 0 && status.f_type == BPF_FS_MAGIC) return 0;
    /* There it would end with the agent, and the fence with it. */
    if (has_namespace_of_its_own())
        return fail(ENODEV, reason, size, "mount bpffs first (mount -t bpf bpf /sys/fs/bpf)");
    if (mount("bpf", "/sys/fs/bpf", "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0)
        return fail(errno, reason, size, "mount -t bpf bpf /sys/fs/bpf");
    return 0;
}

static int pin(const int links[HOOKS], char *reason, size_t size) {
    if (mkdir(CXEN_FENCE_DIRECTORY, 0700) != 0 && errno != EEXIST)
        return fail(errno, reason, size, "mkdir " CXEN_FENCE_DIRECTORY);
    for (int index = 0; index < HOOKS; index++) {
        unlink(hooks[index].pin);
        if (links[index] < 0) continue;
        int result = bpf_obj_pin(links[index], hooks[index].pin);
        if (result < 0) return fail(-result, reason, size, hooks[index].pin);
    }
    return 0;
}

int cxen_fence_install(const char *path, char *reason, size_t size) {
    struct stat status;
    if (stat(path, &status) != 0) return fail(errno, reason, size, path);
    if (!S_ISCHR(status.st_mode)) return fail(ENODEV, reason, size, path);
    /* As the kernel keeps it, and not as stat(2) gives it. */
    uint32_t device = major(status.st_rdev) << 20 | minor(status.st_rdev);
    libbpf_set_print(NULL);
    int result = mount_bpffs(reason, size);
    if (result != 0) return result;
    struct btf *btf = btf__load_vmlinux_btf();
    if (!btf) return fail(errno, reason, size, "/sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)");
    int links[HOOKS];
    for (int index = 0; index < HOOKS; index++) {
        links[index] = result == 0 ? attach(btf, hooks[index].hook, device) : -1;
        if (result == 0 && links[index] < 0 && !(hooks[index].is_optional && links[index] == -ENOENT))
            result = fail(-links[index], reason, size, hooks[index].hook);
    }
    btf__free(btf);
    if (result == 0) result = pin(links, reason, size);
    for (int index = 0; index < HOOKS; index++)
        if (links[index] >= 0) close(links[index]);
    return result;
}

#include "CXenSockSystem.h"

struct xs_waiting_calls xs_waiting_calls;
__thread uint64_t xs_thread_tag;
__thread void *xs_unpublished_send;
__thread void *xs_unpublished_record;
__thread struct xs_held_locks xs_held_locks;

struct xs_process_state xs_process_state;

struct xs_hold xs_holds[XS_HOLDS];
uint32_t xs_hold_count;

uint64_t xs_known_pages[XS_KNOWN_PAGES];

int xs_probe_page(uintptr_t address, int writing) {
    if (xs_process_state.unprobed) return 1;
    long result;
    if (writing) {
        /* FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG: ors 0 to a word of the page, atomically, and wakes nobody. */
        int own = 0;
        result = xs_syscall(SYS_futex, (long)&own, 5 | 128, 0, 0, (long)(address & ~(uintptr_t)3), 1 << 28);
    } else {
        /* The mask is read before the first argument is found to be none. */
        result = xs_syscall(SYS_rt_sigprocmask, 99, (long)(address & ~(uintptr_t)7), 0, 8, 0, 0);
    }
    if (result == -EFAULT) return 0;
    uintptr_t page = address >> 12;
    __atomic_store_n(&xs_known_pages[page % XS_KNOWN_PAGES], (uint64_t)page << 1 | (writing != 0), __ATOMIC_RELAXED);
    return 1;
}

#if defined(__x86_64__)
/* Where handlers return to: what stands at the foot of every signal frame. */
static unsigned find_restorers(uintptr_t restorers[4]) {
    unsigned found = 0;
    for (int signal = 1; signal <= 64 && found < 4; signal++) {
        struct {
            uintptr_t handler, flags, restorer, mask;
        } action = {0};
        if (xs_syscall(SYS_rt_sigaction, signal, 0, (long)&action, 8, 0, 0) != 0 || action.handler <= 1) continue;
        unsigned at = 0;
        while (at < found && restorers[at] != action.restorer) at++;
        if (at == found) restorers[found++] = action.restorer;
    }
    return found;
}

int xs_is_frame_alive(uintptr_t frame) {
    if (xs_process_state.unprobed) return 1;
    uintptr_t now = xs_stack_pointer();
    /* A handler's frames lie below the red zone and the processor's state, which have more than 1024 bytes. */
    if (now + 1024 > frame) {
        stack_t stack = {0};
        if (xs_syscall(SYS_sigaltstack, 0, (long)&stack, 0, 0, 0, 0) == 0 && (stack.ss_flags & 1 /* SS_ONSTACK */))
            return !(frame >= (uintptr_t)stack.ss_sp && frame < (uintptr_t)stack.ss_sp + stack.ss_size);
        return 0;
    }
    stack_t stack = {0};
    if (xs_syscall(SYS_sigaltstack, 0, (long)&stack, 0, 0, 0, 0) == 0 && (stack.ss_flags & 1) &&
        !(frame >= (uintptr_t)stack.ss_sp && frame < (uintptr_t)stack.ss_sp + stack.ss_size))
        return 1;
    if (frame - now > 1 << 20) return 1;
    uintptr_t restorers[4];
    unsigned count = find_restorers(restorers);
    for (uintptr_t at = (now + 7) & ~(uintptr_t)7; at + 168 <= frame; at += 8) {
        /* Another stack may lie there, and a page that guards it. */
        if ((at & 4095) < 8 && !xs_is_page_known(at >> 12, 0) && !xs_probe_page(at, 0)) return 1;
        uintptr_t word = *(volatile uintptr_t *)at;
        for (unsigned index = 0; index < count; index++) {
            if (word != restorers[index]) continue;
            /* The stack pointer that the frame saves: that of what it interrupted. */
            uintptr_t saved = *(volatile uintptr_t *)(at + 8 + 160);
            if (saved > at && saved <= frame) return 1;
        }
    }
    return 0;
}
#else
/* Signal frames are not told apart here: only a frame that others have taken the place of is surely gone. */
int xs_is_frame_alive(uintptr_t frame) { return xs_stack_pointer() + 1024 <= frame; }
#endif

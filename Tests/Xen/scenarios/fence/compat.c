/* The 32-bit ioctl on standard input: prints its errno. */
#include <stdio.h>

int main(void)
{
    long result;
    /* IOCTL_GNTALLOC_ALLOC_GREF; whatever stands at address 0, the call is refused before. */
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(54), "b"(0), "c"(24 << 16 | 'G' << 8 | 5), "d"(0) : "memory");
    printf("%d\n", -(int)result);
    return 0;
}

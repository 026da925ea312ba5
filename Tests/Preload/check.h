/* A test is a sentence and a condition; the program's last line counts them. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int checksPassed, checksFailed;

#define CHECK(sentence, condition) \
    do { \
        errno = 77; \
        if (condition) \
            checksPassed++; \
        else { \
            checksFailed++; \
            printf("FAILED: %s (line %d, errno %d)\n", sentence, __LINE__, errno); \
        } \
    } while (0)

/* A call that succeeds leaves errno as it was. */
#define KEEPS_ERRNO (errno == 77)

static inline int report(void) {
    printf("%d passed, %d failed\n", checksPassed, checksFailed);
    return checksFailed != 0;
}

#endif

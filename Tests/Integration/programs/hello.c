// Writes "hello" by the plain system call; also built without libc's dynamic loader.
#include "common.h"

int main(void) {
    return write(1, "hello", 5) != 5;
}

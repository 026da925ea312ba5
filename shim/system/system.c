#include "CXenSockSystem.h"

struct xs_waiting_calls xs_waiting_calls;
__thread uint64_t xs_thread_tag;

#include "CXenSockSystem.h"

struct xs_waiting_calls xs_waiting_calls;
__thread uint64_t xs_thread_tag;
__thread void *xs_unpublished_send;
__thread void *xs_unpublished_record;

struct xs_process_state xs_process_state;

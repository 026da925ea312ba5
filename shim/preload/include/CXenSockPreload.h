#include "CXenSockSystem.h"

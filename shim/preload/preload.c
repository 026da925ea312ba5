#include "CXenSockPreload.h"

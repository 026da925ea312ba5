// XenSockFrontend

// XenSockBackend

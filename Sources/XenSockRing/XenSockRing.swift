// XenSockRing

// XenSockPlatform

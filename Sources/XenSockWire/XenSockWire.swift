// XenSockWire

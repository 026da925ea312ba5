"""Cases, or parts of one, that XenSock does not pass yet: file name to reason. One that passes is an error, so that
this table only shrinks."""

PENDING: dict[str, str] = {
    "10_stdio_errors.c": "stdio writes to the placeholder itself, where AF_UNIX takes the bytes that TCP would refuse with ECONNRESET",
}

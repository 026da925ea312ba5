"""Cases, or parts of one, that XenSock does not pass yet: file name to reason. One that passes is an error, so that
this table only shrinks."""

PENDING: dict[str, str] = {
    "10_stdio_errors.c": "a program that has not loaded the library finds an end where the peer reset",
}

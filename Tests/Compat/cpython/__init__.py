"""CPython's own tests, natively and under XenSock, compared test by test."""

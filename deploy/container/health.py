"""Ends with 0 while the server of this container answers, with TLS or without: the container's HEALTHCHECK."""

import http.client
import os
import ssl
import sys

port = int(os.environ.get("ZEROMIND_PORT", "5885"))
# The certificate is for the name by which others know the server, not for loopback, over which it is asked here.
context = ssl._create_unverified_context()  # noqa: S323, SLF001 - it sends nothing that is secret
faults = []
for connection in (
    http.client.HTTPConnection("127.0.0.1", port, timeout=2),
    http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context),
):
    try:
        connection.request("GET", "/v2/health/live")
        sys.exit(connection.getresponse().status != 200)
    except (OSError, http.client.HTTPException) as fault:
        faults.append(str(fault))
sys.exit(f"nothing answers at port {port}: {'; '.join(faults)}")

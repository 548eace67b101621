"""The test session's own promise: of kafka-python's sockets none is left to the collector."""

import socket
from typing import Any

from kafka.net.inet import create_connection  # type: ignore[import-untyped]  # ships no py.typed
from kafka.net.selector import NetworkSelector  # type: ignore[import-untyped]
from kafka.net.transport import KafkaTCPTransport  # type: ignore[import-untyped]


def test_a_connection_that_closes_with_something_unsent_closes_its_socket() -> None:
    net: Any = NetworkSelector()
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        connection: Any = net.run(create_connection, net, host, port)
        transport: Any = KafkaTCPTransport(net, connection)
        transport.write(b"unsent")
        transport.close()
        net.close()
    assert connection.fileno() == -1

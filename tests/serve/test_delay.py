"""Connections send what they have at once."""

from __future__ import annotations

import socket

from nerq_cli.serve.run import open_socket


def test_the_body_of_a_response_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    with (
        open_socket("127.0.0.1", 0, "--port", is_protected=False) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

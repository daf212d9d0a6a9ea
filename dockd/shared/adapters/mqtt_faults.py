"""Why there is no connection to the broker, in words for the person who can change it."""

import socket
import ssl
from typing import Final

from dockd.shared.errors import BrokerUnreachable

_TAKEN_OVER: Final = "Session taken over"


def not_connected(error: Exception, *, host: str, port: int) -> BrokerUnreachable:
    """Return what a failed attempt to connect means."""
    place = f"{host}:{port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return BrokerUnreachable(
            f"the broker at {place} shows a certificate that is not accepted ({error.verify_message})",
            expected=f"one of the agency's CA, for the name {host}",
            next_step="check the host in the settings and which CA certificate is named there",
        )
    if isinstance(error, ssl.SSLError):
        return refused_tls(error.reason or str(error), host=host, port=port)
    if isinstance(error, ConnectionRefusedError):
        return BrokerUnreachable(
            f"nothing listens at {place}",
            expected="the broker",
            next_step="start the broker, or correct host and port in the settings",
        )
    if isinstance(error, socket.gaierror):
        return BrokerUnreachable(
            f"the name {host} cannot be resolved ({error.strerror})",
            expected="the broker's address",
            next_step="check the host in the settings and the name server",
        )
    found = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return BrokerUnreachable(
        f"no connection to {place} ({found})",
        expected="the broker",
        next_step="check that the network is up and that the broker runs",
    )


def refused_tls(reason: str, *, host: str, port: int) -> BrokerUnreachable:
    """Return what it means that the other side ended the TLS handshake, or broke TLS."""
    return BrokerUnreachable(
        f"the broker at {host}:{port} refuses our certificate, or is no TLS 1.3 server ({reason})",
        expected="a broker that trusts the CA of our certificate, which is valid and not revoked",
        next_step="have central issue a new certificate for this machine, or correct the port in the settings",
    )


def refused_login(reason: str, *, name: str, host: str, port: int) -> BrokerUnreachable:
    """Return what it means that a broker ended the connection once it had seen certificate and password."""
    return BrokerUnreachable(
        f"the broker at {host}:{port} does not take certificate or password of {name} ({reason})",
        expected="a broker that trusts our CA, or knows this name with this password",
        next_step="compare password_file in the settings with what the broker has, and look at the broker's log",
    )


def refused_connect(reason: str, *, name: str, host: str, port: int) -> BrokerUnreachable:
    """Return what a CONNACK with a refusal means."""
    return BrokerUnreachable(
        f"the broker at {host}:{port} does not let {name} in ({reason})",
        expected="a broker that knows this name",
        next_step="check the broker's access list and its log",
    )


def refused_subscription(topic_filter: str, reason: str, *, host: str, port: int) -> BrokerUnreachable:
    """Return what a SUBACK with a refusal means."""
    return BrokerUnreachable(
        f"the broker at {host}:{port} refuses the subscription to {topic_filter} ({reason})",
        expected="an access list as in dockd/deploy/mosquitto.acl",
        next_step="check the broker's access list",
    )


def too_few_in_flight(allowed: int, wanted: int, *, host: str, port: int) -> BrokerUnreachable:
    """Return what a Receive Maximum that is too small means."""
    return BrokerUnreachable(
        f"the broker at {host}:{port} takes {allowed} unacknowledged messages at a time",
        expected=f"at least {wanted}",
        next_step="raise the broker's receive maximum (mosquitto: max_inflight_messages)",
    )


def lost(reason: str, *, name: str, host: str, port: int) -> BrokerUnreachable:
    """Return what the end of a connection that stood means."""
    if reason == _TAKEN_OVER:
        return BrokerUnreachable(
            f"another client took over the name {name} at {host}:{port}",
            expected="one client to a name",
            next_step=f"find out which machine uses the certificate of {name}; if nobody knows it, revoke the certificate",
        )
    return BrokerUnreachable(
        f"the connection to {host}:{port} was lost ({reason})",
        expected="it to last",
        next_step=f"check the network, that the broker runs, and that no other machine uses the name {name}",
    )

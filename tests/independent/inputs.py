"""Sends inputs through grpcio that were once rejected: inputs.py TARGET SALT [CA].

Makes each call twice, with a limit of one. Prints a line for each input, `NAME: CODE CODE`. With the file of an
authority, calls the target over TLS; its certificate is for `ratelimit`.
"""

import sys

import grpc

METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
AUTHORITIES = [
    "outbound|8081||ratelimit.default.svc.cluster.local",
    "extension/ns/name",
    "ai_gateway_x",
    "%2Frun%2Fgrpc.sock",
]


def field(number, content):
    length, head = len(content), bytes([number << 3 | 2])
    while length > 0x7F:
        head, length = head + bytes([length & 0x7F | 0x80]), length >> 7
    return head + bytes([length]) + content


def request(*descriptors):
    entry = lambda key, value: field(1, key) + field(2, value)
    return field(1, b"edge") + b"".join(field(2, field(1, entry(key, value))) for key, value in descriptors)


def code(answer):
    # overall_code is the first field
    return {b"\x08\x01": "OK", b"\x08\x02": "OVER_LIMIT"}[answer[:2]]


def main():
    target, salt, ca = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]

    def call(name, message, authority=None, **how):
        options = [("grpc.use_local_subchannel_pool", 1)]
        if authority is not None:
            options.append(("grpc.default_authority", authority))
        if ca:
            options.append(("grpc.ssl_target_name_override", "ratelimit"))
            with open(ca[0], "rb") as file:
                credentials = grpc.ssl_channel_credentials(file.read())
            channel = grpc.secure_channel(target, credentials, options=options)
        else:
            channel = grpc.insecure_channel(target, options=options)
        with channel:
            ask = channel.unary_unary(METHOD)
            codes = []
            for _ in range(2):
                try:
                    codes.append(code(ask(message, timeout=120, **how)))
                except grpc.RpcError as error:
                    codes.append(f"{error.code().name} {error.details()}")
        print(f"{name}:", *codes)

    path = lambda name: request((b"path", salt + name.encode()))
    for authority in AUTHORITIES:
        call(f"authority {authority}", path(authority), authority)
    call("a byte that is not UTF-8", request((b"agent", salt + b"caf\xe9")))
    large = salt + b"x" * 56_000
    call("56 kB five times", request((b"big", large), *((key, large) for key in (b"b", b"c", b"d", b"e"))))
    for kilobytes in (20, 70):
        metadata = [("tracestate", "x" * (kilobytes * 1000))]
        call(f"{kilobytes} kB of tracestate", path(f"{kilobytes}"), metadata=metadata)
    call("gzip", path("gzip"), compression=grpc.Compression.Gzip)


main()

"""Large and compressed calls of ShouldRateLimit through grpcio, an implementation that shares no code with ours.

sizes.py ADDRESS: prints a line for each call, `NAME: CODE`.
"""

import sys

import grpc

METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"


def field(number, content):
    length, head = len(content), bytes([number << 3 | 2])
    while length > 0x7F:
        head, length = head + bytes([length & 0x7F | 0x80]), length >> 7
    return head + bytes([length]) + content


def request(size):
    entry = field(1, b"path") + field(2, b"x" * size)
    return field(1, b"shop") + field(2, field(1, entry))


def main():
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(sys.argv[1], options=options) as channel:
        ask = channel.unary_unary(METHOD)

        def call(name, size, **options):
            try:
                ask(request(size), timeout=120, **options)
                print(f"{name}: OK")
            except grpc.RpcError as error:
                print(f"{name}: {error.code().name}")

        call("plain", 1)
        call("gzip", 1000, compression=grpc.Compression.Gzip)
        call("gzip of 4 MB", 4_000_000, compression=grpc.Compression.Gzip)
        call("gzip of 5 MB", 5_000_000, compression=grpc.Compression.Gzip)
        call("deflate", 1000, compression=grpc.Compression.Deflate)
        call("4 MB", 4_000_000)
        call("5 MB", 5_000_000)
        for kib in (20, 64, 200, 900):
            call(f"{kib} KiB of metadata", 1, metadata=[("tracestate", "x" * (kib << 10))])


main()

"""Unary calls, health and reflection through grpcio, over one connection: streams.py TARGET [CA].

Prints a line for each request, and at last each health status received from Watch, and the status with which Watch
ends. Sends PINGs. With the file of an authority, calls the target over TLS; its certificate is for `ratelimit`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

# RateLimitRequest{domain: "edge", descriptors: [{entries: [{key: "path", value: "/flip"}]}]}
REQUEST = b"\x0a\x04edge\x12\x0f\x0a\x0d\x0a\x04path\x12\x05/flip"
NAME = b"envoy.service.ratelimit.v3.RateLimitService"
TIMEOUT = 300


def field(number, content):
    return bytes([number << 3 | 2, len(content)]) + content


def serving(answer):
    return {b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}[answer]


def unary(channel):
    ask = channel.unary_unary("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(REQUEST, timeout=TIMEOUT), range(200)))
    # overall_code: OK is the first field
    print("unary:", sum(answer.startswith(b"\x08\x01") for answer in answers), "OK")


def check(channel):
    ask = channel.unary_unary("/grpc.health.v1.Health/Check")
    for name in ("", "ratelimit", "other"):
        try:
            said = serving(ask(field(1, name.encode()), timeout=TIMEOUT))
        except grpc.RpcError as error:
            said = error.code().name
        print(f'check "{name}":', said)


def reflection(channel, version):
    """Requests the list of services and then the file of one, in one stream, and closes it."""
    ask = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
    # list_services and file_containing_symbol
    answers = list(ask(iter([field(7, b""), field(4, NAME)]), timeout=TIMEOUT))
    knows = NAME in answers[0]
    # file_descriptor_response
    has_files = b"envoy/service/ratelimit/v3/rls.proto" in answers[1]
    print(f"reflection {version}:", *(str(fact).lower() for fact in (knows, has_files, len(answers) == 2)))


def watch(channel):
    ask = channel.unary_stream("/grpc.health.v1.Health/Watch")
    try:
        for answer in ask(field(1, b"ratelimit"), timeout=TIMEOUT):
            print("watch:", serving(answer), flush=True)
    except grpc.RpcError as error:
        print("watch:", error.code().name)


def main():
    target, ca = sys.argv[1], sys.argv[2:]
    options = [
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_timeout_ms", 60000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if ca:
        options.append(("grpc.ssl_target_name_override", "ratelimit"))
        with open(ca[0], "rb") as file:
            channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(file.read()), options=options)
    else:
        channel = grpc.insecure_channel(target, options=options)
    with channel:
        unary(channel)
        check(channel)
        reflection(channel, "v1")
        reflection(channel, "v1alpha")
        watch(channel)


main()

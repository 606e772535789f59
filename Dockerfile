# syntax=docker/dockerfile:1
# One binary on a base without a shell. `tests/image.py` runs these steps without a container engine.
ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-slim-bookworm AS build
# line numbers are moved to a file of their own below
ENV CARGO_PROFILE_RELEASE_STRIP=none
WORKDIR /build

# The dependencies, built with empty members: this layer is reused until they change.
COPY Cargo.toml Cargo.lock ./
COPY crates/bench/Cargo.toml crates/bench/
COPY crates/limiter/Cargo.toml crates/limiter/
COPY crates/load/Cargo.toml crates/load/
COPY crates/metrics/Cargo.toml crates/metrics/
COPY crates/redis/Cargo.toml crates/redis/
COPY crates/rules/Cargo.toml crates/rules/
COPY crates/slot_pool/Cargo.toml crates/slot_pool/
COPY crates/testkit/Cargo.toml crates/testkit/
COPY crates/throttle/Cargo.toml crates/throttle/
COPY crates/tls/Cargo.toml crates/tls/
COPY crates/wire/Cargo.toml crates/wire/
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && cp src/main.rs build.rs \
    && cp src/main.rs crates/redis/build.rs \
    && touch src/lib.rs \
    && for member in crates/*; do mkdir "$member/src" && touch "$member/src/lib.rs" || exit 1; done \
    && cargo build --release --locked --bin tollgate \
    && for member in tollgate crates/*; do rm -rf target/release/.fingerprint/"${member#crates/}"-*; done \
    && rm -r src build.rs crates

COPY build.rs ./
COPY crates crates
COPY lua lua
COPY proto proto
COPY src src
ARG REVISION=unknown
RUN TOLLGATE_COMMIT="${REVISION}" cargo build --release --locked --bin tollgate \
    && mkdir -p image/bin image/debug \
    && objcopy --only-keep-debug target/release/tollgate image/debug/tollgate.debug \
    && objcopy --strip-debug --add-gnu-debuglink=image/debug/tollgate.debug target/release/tollgate image/bin/tollgate \
    && ln -s tollgate image/bin/ratelimit

# The debug information of this build: see docs/lifecycle.md, "Backtraces".
FROM scratch AS debug
COPY --from=build /build/image/debug/ /

# glibc, libgcc, the system's certificate authorities and time zones; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tollgate" \
      org.opencontainers.image.description="The rate limit service for Envoy and Istio" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# ratelimit is a link to tollgate: manifests of envoyproxy/ratelimit run /bin/ratelimit.
COPY --from=build /build/image/bin/ /bin/

USER 65534:65534
# RLS, /json and health, debug pages, metrics
EXPOSE 8081 8080 6070 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/bin/tollgate", "health"]
ENTRYPOINT ["/bin/tollgate"]

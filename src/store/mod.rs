//! Stores: where counters live. Each implements `RateLimiter`; none knows rules, requests or another store.

-- A bucket of BURST tokens that refills evenly, by LIMIT a window. Its equal in Rust is
-- crates/limiter/src/algorithm/token_bucket.rs.
--
-- KEYS: none of its own; the driver reads and writes.
-- ARGV: of the hit amount, asked (see meter.lua), limit, burst, window (microseconds), gives, count_denied.
-- Returns: what a step does, see meter.lua.
-- State: current is the level that the bucket had at time (negative: debt), previous 0.

local function token_bucket(hit, now, time, current, _, denied)
  local n, burst, window = hit.amount, hit.burst, hit.window
  local at, since, anchor = now, now, burst
  if time then
    at, since = reconcile(now, time, window)
    anchor = max(min(current, burst), -10 * burst)
  end
  local level = min(anchor + (at - since) * hit.limit / window, burst)
  local full = level >= burst
  local allowed, act = decide(hit, level >= hit.asked, full, denied)
  if act == TAKE then
    level = max(level - n, -10 * burst)
  elseif act == GIVE then
    level = min(level + n, burst)
  else
    return allowed
  end
  -- a limit of 0 has a bucket of 0, which is full whatever is taken from it
  if full and level >= burst then return allowed end
  return allowed, at, level, 0
end

-- When the counter can be forgotten: when the bucket is full with its debt paid, in microseconds since the epoch. The
-- product may round by a few microseconds, which the added millisecond covers.
local function token_bucket_ends(hit, time, current)
  local lacks = hit.burst - current
  if lacks <= 0 then return time end
  return time + ceil(lacks * hit.window / hit.limit) + 1000
end

-- A bucket of `burst` tokens that is refilled continuously, `limit` tokens per window. Equals
-- crates/limiter/src/algorithm/token_bucket.rs.
--
-- KEYS: none of its own; the driver reads and writes.
-- Fields of the hit: amount, asked (see meter.lua), limit, burst, window (microseconds), gives_back, count_denied.
-- Returns: see "step" in meter.lua.
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
  -- the bucket of a limit of 0 holds 0 tokens, so it is full at any time
  if full and level >= burst then return allowed end
  return allowed, at, level, 0
end

-- Returns when the counter can be dropped: when the bucket is full and its debt is paid, in microseconds since the
-- epoch. The product may be rounded by a few microseconds, which the added millisecond covers.
local function token_bucket_ends(hit, time, current)
  local lacks = hit.burst - current
  if lacks <= 0 then return time end
  return time + ceil(lacks * hit.window / hit.limit) + 1000
end

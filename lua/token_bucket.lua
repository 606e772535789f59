-- A bucket of BURST tokens that refills evenly, by LIMIT a window. Its equal in Rust is src/algorithm/token_bucket.rs.
--
-- KEYS: none of its own; the driver reads and writes.
-- ARGV: of the hit AMOUNT, LIMIT, BURST, WINDOW (microseconds), GIVES, COUNT_DENIED.
-- Returns: whether the hit is allowed, and the new state; no state if nothing is to be written.
-- State: current is the level that the bucket had at time (negative: debt), previous 0.

local function token_bucket(state, hit, now)
  local n, burst, window = hit[AMOUNT], hit[BURST], hit[WINDOW]
  local at, time, anchor = now, now, burst
  if state then
    at, time = reconcile(now, state.time, window)
    anchor = max(min(state.current, burst), -10 * burst)
  end
  local level = min(anchor + (at - time) * hit[LIMIT] / window, burst)
  local full = level >= burst
  local allowed, act = decide(hit, level >= n, full)
  if act == TAKE then
    level = max(level - n, -10 * burst)
  elseif act == GIVE then
    level = min(level + n, burst)
  else
    return allowed, nil
  end
  -- a limit of 0 has a bucket of 0, which is full whatever is taken from it
  if full and level >= burst then return allowed, nil end
  return allowed, { time = at, current = level, previous = 0, by = hit }
end

-- When the counter can be forgotten: when the bucket is full with its debt paid, in microseconds since the epoch. The
-- product may round by a few microseconds, which the added millisecond covers.
local function token_bucket_ends(state, hit)
  local lacks = hit[BURST] - state.current
  if lacks <= 0 then return state.time end
  return state.time + ceil(lacks * hit[WINDOW] / hit[LIMIT]) + 1000
end

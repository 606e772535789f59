-- Two counts: the previous window's count fades out linearly while the present window fills. Equals
-- crates/limiter/src/algorithm/sliding_window.rs.
--
-- KEYS: none of its own; the driver reads and writes.
-- Fields of the hit: amount, asked (see meter.lua), limit, window (microseconds), gives_back, count_denied.
-- Returns: see "step" in meter.lua.
-- State: time is the start of the present window, current its count, previous the count of the window before.

local function sliding_window(hit, now, time, current, previous, denied)
  local n, window = hit.amount, hit.window
  local at, start
  at, start, current, previous = windows(now, window, time, current, previous)
  local estimate = previous * (window - (at - start)) / window + current
  local allowed, act = decide(hit, estimate + hit.asked <= hit.limit, current == 0 and previous == 0, denied)
  if act == TAKE then
    return allowed, start, min(current + n, MAX_COUNT), previous
  elseif act == GIVE then
    return allowed, start, max(current - n, 0), max(previous - max(n - current, 0), 0)
  end
  return allowed
end

-- Returns when the counter can be dropped: at the end of the next window, in microseconds since the epoch.
local function sliding_window_ends(hit, time)
  return time + 2 * hit.window
end

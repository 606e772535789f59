-- Two counters: the previous window's count fades out evenly while the present one fills. Its equal in Rust is
-- src/algorithm/sliding_window.rs.
--
-- KEYS: none of its own; the driver reads and writes.
-- ARGV: of the hit AMOUNT, LIMIT, WINDOW (microseconds), GIVES, COUNT_DENIED.
-- Returns: whether the hit is allowed, and the new state; no state if nothing is to be written.
-- State: time is the start of the present window, current its count, previous the count of the window before.

local function sliding_window(state, hit, now)
  local n, window = hit[AMOUNT], hit[WINDOW]
  local at, start, current, previous = windows(state, window, now)
  local estimate = previous * (window - (at - start)) / window + current
  local allowed, act = decide(hit, estimate + n <= hit[LIMIT], current == 0 and previous == 0)
  if act == TAKE then
    current = min(current + n, MOST)
  elseif act == GIVE then
    previous = max(previous - max(n - current, 0), 0)
    current = max(current - n, 0)
  else
    return allowed, nil
  end
  return allowed, { time = start, current = current, previous = previous, by = hit }
end

-- When the counter can be forgotten: the end of the next window, in microseconds since the epoch.
local function sliding_window_ends(state, hit)
  return state.time + 2 * hit[WINDOW]
end

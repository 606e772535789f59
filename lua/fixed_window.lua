-- One count per aligned window. Its equal in Rust is src/algorithm/fixed_window.rs.
--
-- KEYS: none of its own; the driver reads and writes.
-- ARGV: of the hit AMOUNT, LIMIT, WINDOW (microseconds), GIVES, COUNT_DENIED.
-- Returns: whether the hit is allowed, and the new state; no state if nothing is to be written.
-- State: time is the start of the window, current its count, previous 0.

local function fixed_window(state, hit, now)
  local n = hit[AMOUNT]
  local _, start, count = windows(state, hit[WINDOW], now)
  local allowed, act = decide(hit, count + n <= hit[LIMIT], count == 0)
  if act == TAKE then
    count = min(count + n, MOST)
  elseif act == GIVE then
    count = max(count - n, 0)
  else
    return allowed, nil
  end
  return allowed, { time = start, current = count, previous = 0, by = hit }
end

-- When the counter can be forgotten: the end of its window, in microseconds since the epoch.
local function fixed_window_ends(state, hit)
  return state.time + hit[WINDOW]
end

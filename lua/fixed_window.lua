-- One count per window: aligned ones of one length, or those of a calendar. Its equal in Rust is
-- src/algorithm/fixed_window.rs.
--
-- KEYS: none of its own; the driver reads and writes.
-- ARGV: of the hit AMOUNT, LIMIT, WINDOW (microseconds), GIVES, COUNT_DENIED; of a calendar's its bounds in place of
-- WINDOW, which hold now in one of the first four of their five windows.
-- Returns: whether the hit is allowed, and the new state; no state if nothing is to be written.
-- State: time is the start of the window, current its count, previous 0.

local function charge_window(hit, start, count)
  local n = hit[AMOUNT]
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

local function fixed_window(state, hit, now)
  local _, start, count = windows(state, hit[WINDOW], now)
  return charge_window(hit, start, count)
end

local function calendar_window(state, hit, now)
  local bounds, count = hit.bounds, 0
  local at = place(bounds, now)
  if state then
    local time = state.time
    if time <= now then
      -- of this window or an earlier one
    elseif time <= bounds[at + 1] then
      at = place(bounds, time)
    else
      time = now
    end
    if time >= bounds[at] then count = min(max(state.current, 0), MOST) end
  end
  return charge_window(hit, bounds[at], count)
end

-- When the counter can be forgotten: the end of its window, in microseconds since the epoch.
local function fixed_window_ends(state, hit)
  return state.time + hit[WINDOW]
end

local function calendar_window_ends(state, hit)
  return hit.bounds[place(hit.bounds, state.time) + 1]
end

-- One count per window: aligned windows of one length, or windows by a calendar. Equals
-- crates/limiter/src/algorithm/fixed_window.rs.
--
-- KEYS: none of its own; the driver reads and writes.
-- Fields of the hit: amount, asked (see meter.lua), limit, window (microseconds), gives_back, count_denied; for a
-- calendar its bounds instead of the window: now is in one of the first four of the five windows.
-- Returns: see "step" in meter.lua.
-- State: time is the start of the window, current its count, previous 0.

local function charge_window(hit, start, count, denied)
  local n = hit.amount
  local allowed, act = decide(hit, count + hit.asked <= hit.limit, count == 0, denied)
  if act == TAKE then
    return allowed, start, min(count + n, MAX_COUNT), 0
  elseif act == GIVE then
    return allowed, start, max(count - n, 0), 0
  end
  return allowed
end

local function fixed_window(hit, now, time, current, _, denied)
  local _, start, count = windows(now, hit.window, time, current, 0)
  return charge_window(hit, start, count, denied)
end

local function calendar_window(hit, now, time, current, _, denied)
  local bounds, count = hit.bounds, 0
  local at = window_index(bounds, now)
  if time then
    if time <= now then
      -- time is in this window or an earlier one
    elseif time <= bounds[at + 1] then
      at = window_index(bounds, time)
    else
      time = now
    end
    if time >= bounds[at] then count = count_of(current) end
  end
  return charge_window(hit, bounds[at], count, denied)
end

-- Returns when the counter can be dropped: at the end of its window, in microseconds since the epoch.
local function fixed_window_ends(hit, time)
  return time + hit.window
end

local function calendar_window_ends(hit, time)
  return hit.bounds[window_index(hit.bounds, time) + 1]
end

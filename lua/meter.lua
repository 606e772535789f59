-- What the three algorithms share: the arithmetic of time, and what a hit does to its counter. Equals
-- crates/limiter/src/algorithm/meter.rs. Every formula is evaluated in the same order there, so that both round alike;
-- `%` is not used, and no number is converted to text.
--
-- KEYS, ARGV, returns: none; see driver.lua.
--
-- A state is three doubles: time, current, previous. They are passed one by one, because a table for each counter would
-- be most of the cost of a call; if the counter does not exist, all three are nil.
--
-- A step of an algorithm, step(hit, now, time, current, previous, denied), returns whether the hit is allowed, and the
-- new state, or no state if there is nothing to write. If `denied` is set, the hit was denied before: it is charged in
-- full.

-- if either number is NaN these return the second one, as f64::min and f64::max do when self is NaN
local function min(a, b)
  if a < b then return a end
  return b
end

local function max(a, b)
  if a > b then return a end
  return b
end

-- Limits a stored count to the range that the script writes.
local function count_of(stored)
  return min(max(stored, 0), MAX_COUNT)
end

-- Returns the effective present and the effective time of a state.
local function reconcile(now, stored, window)
  if stored <= now then return now, stored end
  if stored - now <= window then return stored, stored end
  return now, now
end

-- Returns the effective present, the start of its window, and the counts of that window and of the previous one.
local function windows(now, window, time, current, previous)
  if not time then return now, floor(now / window) * window, 0, 0 end
  now, time = reconcile(now, time, window)
  local start = floor(now / window) * window
  if time >= start then
    return now, start, count_of(current), count_of(previous)
  elseif time >= start - window then
    return now, start, 0, count_of(current)
  end
  return now, start, 0, 0
end

-- Returns the index of the window that contains the instant `at`; `bounds` is in ascending order.
local function window_index(bounds, at)
  local i = 1
  while bounds[i + 1] and bounds[i + 1] <= at do i = i + 1 end
  return i
end

-- The amount that has to fit for a hit to pass. A look asks for 0, so it passes until the count is above the limit. If
-- denied hits are not charged, the count never gets above the limit; a look then asks for 1.
local function asked(amount, count_denied)
  if amount == 0 and not count_denied then return 1 end
  return amount
end

local TAKE, GIVE = 1, 2

-- Returns whether a hit is allowed, and what it does to its counter: TAKE, GIVE, or nothing. `denied`: it was denied
-- before.
local function decide(hit, fits, untouched, denied)
  if denied then return false, TAKE end
  local look = hit.amount == 0
  if hit.gives_back then
    if look or untouched then return true, nil end
    return true, GIVE
  end
  if look then return fits, nil end
  if fits then return true, TAKE end
  if hit.count_denied then return false, TAKE end
  return false, nil
end

-- What the three algorithms share: the fields of a hit, the arithmetic of time, and what a hit does. Its equal in Rust
-- is crates/limiter/src/algorithm/meter.rs. Every formula is evaluated in the same order there, so that both round
-- alike; no `%`, and no number ever becomes text.
--
-- KEYS, ARGV, returns: none; see driver.lua.
--
-- A state is three doubles: time, current, previous. They are passed one by one, as tables for each counter of a call would
-- be most of what it costs; of a counter that does not exist all three are nil.
--
-- A step of an algorithm, step(hit, now, time, current, previous, denied), returns whether the hit is allowed, and the
-- new state; no state if nothing is to be written. With `denied` nothing is decided: the hit is not allowed, and is
-- taken in full.

local floor, ceil, pack, unpack_at = math.floor, math.ceil, struct.pack, struct.unpack

local MOST = 9007199254740991 -- 2^53 - 1

-- of two numbers, the second where the first is not a number, as Rust's f64::min and f64::max have it
local function min(a, b)
  if a < b then return a end
  return b
end

local function max(a, b)
  if a > b then return a end
  return b
end

-- A stored count as one that the script could have written.
local function count_of(stored)
  return min(max(stored, 0), MOST)
end

-- The effective present and the effective time of a state.
local function reconcile(now, stored, window)
  if stored <= now then return now, stored end
  if stored - now <= window then return stored, stored end
  return now, now
end

-- The effective present, the start of its window, and the counts of that window and of the one before.
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

-- The place in a list of bounds, in ascending order, of the window that an instant lies in.
local function place(bounds, at)
  local i = 1
  while bounds[i + 1] and bounds[i + 1] <= at do i = i + 1 end
  return i
end

-- The amount that has to fit for a hit to pass. A look asks for nothing, so it passes until the count is above the
-- limit. Where denied hits are not charged the count never gets there; a look then asks for 1.
local function asked(amount, count_denied)
  if amount == 0 and not count_denied then return 1 end
  return amount
end

local TAKE, GIVE = 1, 2

-- Whether a hit is allowed, and what it does to its counter: TAKE, GIVE, or nothing. `denied` if that was decided
-- before.
local function decide(hit, fits, untouched, denied)
  if denied then return false, TAKE end
  local look = hit.amount == 0
  if hit.gives then
    if look or untouched then return true, nil end
    return true, GIVE
  end
  if look then return fits, nil end
  if fits then return true, TAKE end
  if hit.count_denied then return false, TAKE end
  return false, nil
end

-- Settling all the hits of one request on the states of its counters. Its equal in Rust is src/algorithm/group.rs.
--
-- KEYS, ARGV: none of its own. `held` is the list of the group's states, which settle() replaces by the new ones;
-- `hits` its hits in order. A state is never changed in place, so a list of states can be kept and put back.
-- Returns: nothing; what differs in `held` afterwards is to be written.

local STEPS = { fixed_window, sliding_window, token_bucket, calendar_window }
local ENDS = { fixed_window_ends, sliding_window_ends, token_bucket_ends, calendar_window_ends }
local CALENDAR = 4

local function copy(list)
  local copied = {}
  for i = 1, #list do copied[i] = list[i] end
  return copied
end

local function put_back(held, before)
  for i = 1, #before do held[i] = before[i] end
end

-- Charges one hit; whether it was allowed.
local function charge(held, hit, now)
  local counter = hit[COUNTER]
  local allowed, state = STEPS[hit[ALGORITHM]](held[counter], hit, now)
  if state then held[counter] = state end
  return allowed
end

-- What is left of hits that were refused together: their shadow members.
local function charge_shadows(held, hits, first, last, now)
  for i = first, last do
    if hits[i][SHADOW] == 1 then charge(held, hits[i], now) end
  end
end

-- Charges the hits of one descriptor: all, or only its shadow ones if an enforced one is over. Returns whether one was
-- over, and whether the descriptor is a quota.
local function charge_together(held, hits, first, last, now)
  local before = first < last and {}
  local over, quota = false, false
  if before then
    for i = first, last do before[i] = held[hits[i][COUNTER]] end
  end
  for i = first, last do
    local hit = hits[i]
    local allowed = charge(held, hit, now)
    if not allowed and hit[SHADOW] == 0 then over = true end
    if hit[QUOTA] == 1 then quota = true end
  end
  if over and before then
    for i = first, last do held[hits[i][COUNTER]] = before[i] end
    charge_shadows(held, hits, first, last, now)
  end
  return over, quota
end

local function settle(held, hits, atomic, quota_passed, refused, now)
  local before = atomic and copy(held)
  local quotas = false
  local first = 1
  while hits[first] do
    local last = first
    while hits[last + 1] and hits[last + 1][JOINS] == 1 do last = last + 1 end
    local over, quota = charge_together(held, hits, first, last, now)
    if quota then
      quotas = true
      quota_passed = quota_passed or not over
    elseif over then
      refused = true
    end
    first = last + 1
  end
  if before and (refused or quotas and not quota_passed) then
    put_back(held, before)
    charge_shadows(held, hits, 1, #hits, now)
  end
end

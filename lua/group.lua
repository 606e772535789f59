-- Settling all the hits of one request on the states of its counters. Its equal in Rust is src/algorithm/group.rs.
--
-- KEYS, ARGV: none of its own. `held` is the list of the group's states, which settle() replaces by the new ones;
-- `hits` its hits in order. A state is here { time, current, previous, the hit that wrote it }, or false if the counter
-- does not exist. It is never changed in place, so a list of states can be kept and put back.
-- Returns: nothing; what differs in `held` afterwards is to be written.

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
  local state = held[hit.counter] or {}
  local allowed, time, current, previous = hit.step(hit, now, state[1], state[2], state[3])
  if time then held[hit.counter] = { time, current, previous, hit } end
  return allowed
end

-- What is left of hits that were refused together: their shadow members.
local function charge_shadows(held, hits, first, last, now)
  for i = first, last do
    if hits[i].shadow then charge(held, hits[i], now) end
  end
end

-- Charges the hits of one descriptor: all, or only its shadow ones if an enforced one is over. Returns whether one was
-- over, and whether the descriptor is a quota.
local function charge_together(held, hits, first, last, now)
  local before = first < last and {}
  local over, quota = false, false
  if before then
    for i = first, last do before[i] = held[hits[i].counter] end
  end
  for i = first, last do
    local hit = hits[i]
    local allowed = charge(held, hit, now)
    if not allowed and not hit.shadow then over = true end
    if hit.quota then quota = true end
  end
  if over and before then
    for i = first, last do held[hits[i].counter] = before[i] end
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
    while hits[last + 1] and hits[last + 1].joins do last = last + 1 end
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

-- Settles all the hits of one group on the states of its counters. Equals crates/limiter/src/algorithm/group.rs.
--
-- KEYS, ARGV: none of its own. `held` is the list of the group's states, in which settle() replaces those that change;
-- `hits` its hits in order. A hit in a named window has a time of its own, `hit.now`. A state here is { time, current,
-- previous, the hit that wrote it }, or false if the counter does not exist. It is never changed in place, so a list of
-- states can be kept and restored.
-- Returns: nothing; entries of `held` that differ afterwards have to be written.

local function copy(list)
  local copied = {}
  for i = 1, #list do copied[i] = list[i] end
  return copied
end

local function put_back(held, before)
  for i = 1, #before do held[i] = before[i] end
end

-- Charges one hit, which may have been `denied` before. Returns whether it was allowed.
local function charge(held, hit, now, denied)
  local state = held[hit.counter] or {}
  local allowed, time, current, previous = hit.step(hit, hit.now or now, state[1], state[2], state[3], denied)
  if time then held[hit.counter] = { time, current, previous, hit } end
  return allowed
end

-- Settles hits that were denied together, on states restored to what they were before these hits. Shadow hits are
-- charged. An enforced hit is charged in full if it was over, as `over` says by hit, and its limit counts denied hits.
local function refuse(held, hits, first, last, now, over)
  for i = first, last do
    local hit = hits[i]
    if hit.shadow then
      charge(held, hit, now)
    elseif over[i] and hit.count_denied and hit.amount > 0 then
      charge(held, hit, now, true)
    end
  end
end

-- Charges the hits of one descriptor: all of them, unless there are several and an enforced one is over. Returns
-- whether one was over, and whether the descriptor is a quota; `over` records which hits were over.
local function charge_together(held, hits, first, last, now, over)
  local before = first < last and {}
  local any_over, quota = false, false
  if before then
    for i = first, last do before[i] = held[hits[i].counter] end
  end
  for i = first, last do
    local hit = hits[i]
    over[i] = not charge(held, hit, now)
    if over[i] and not hit.shadow then any_over = true end
    if hit.quota then quota = true end
  end
  if any_over and before then
    for i = first, last do held[hits[i].counter] = before[i] end
    refuse(held, hits, first, last, now, over)
  end
  return any_over, quota
end

local function settle(held, hits, atomic, quota_passed, refused, now)
  local before = atomic and copy(held)
  local over, quotas = {}, false
  local first = 1
  while hits[first] do
    local last = first
    while hits[last + 1] and hits[last + 1].joins do last = last + 1 end
    local any_over, quota = charge_together(held, hits, first, last, now, over)
    if quota then
      quotas = true
      quota_passed = quota_passed or not any_over
    elseif any_over then
      refused = true
    end
    first = last + 1
  end
  if before and (refused or quotas and not quota_passed) then
    put_back(held, before)
    refuse(held, hits, 1, #hits, now, over)
  end
end

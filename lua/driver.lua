-- Evaluates many groups of hits in one call, each atomically, in order. This is the last part of the script that the
-- build assembles from this folder; crates/redis/ writes its input and reads its output.
--
-- KEYS: the counters of all groups, each once, in the order in which ARGV[2] first names them.
-- ARGV[1]: the different kinds of group, in the order in which ARGV[2] first names them, little-endian and packed:
-- B atomic, B quota_passed, B refused, I4 hits, I4 counters, d now (us since the epoch; -1: the server's clock)
-- then for each of its hits:
--   I4 counter (numbered from 1 in the order of their first hits), B algorithm (1 fixed window, 2 sliding window,
--   3 token bucket, 4 fixed window by a calendar, 5 named window, 6 named window that may have a counter to import),
--   B same descriptor as the hit before, B shadow, B quota, B gives back, B count_denied, d amount, d limit,
--   d burst (of a named window its start instead, in us), d window (us), and for a calendar six d: the bounds (us) of
--   five consecutive windows
-- ARGV[2]: for each group, packed likewise:
--   I4 kind (1 is the first of ARGV[1]), I4 times, I4 jitter (ms), and for each of its counters I4: its index in KEYS
--   The group is settled `times` times in a row. A call without groups returns only the server's time.
-- Returns: one string, little-endian: d the server's time (us), and for each group
--   B 0, and for each counter a byte (1 if it was written, plus 2 if it existed) and, if it existed, the three doubles
--   of its state before the group; or
--   B 1, I4 counter, I4 length, and the error from reading or writing that counter. A group with a counter that cannot
--   be read charges nothing; a group with a counter that cannot be written may have charged its other counters. If now
--   is in none of the first four windows that were sent for a calendar, or more than SLACK outside a named window, the
--   error is the script's own, and nothing is charged.
--
-- A counter is a string of three doubles (time, current, previous) with a TTL. That of a named window is a whole number
-- in decimal digits instead, which INCRBY can add to: the window is in the key's name, `@` and its start in seconds
-- after the name of the counter in the other format. A hit belongs to the window by which its key is named, even if the
-- server's clock is before or after it. All counters are read first, by MGET, or
-- one that is alone by GET, and those that have changed are written last, by one SET each. Looks and hits that are not
-- charged write nothing.

local BOUNDS = '<dddddd' -- the other formats are in early.lua

local STEPS = { fixed_window, sliding_window, token_bucket, calendar_window, fixed_window, fixed_window }
local ENDS = {
  fixed_window_ends, sliding_window_ends, token_bucket_ends, calendar_window_ends, fixed_window_ends, fixed_window_ends,
}
local TOKEN_BUCKET, CALENDAR, NAMED_WINDOW, MAY_IMPORT = 3, 4, 5, 6

local MAX_KEYS = 1000 -- of one command: Lua limits the number of values that unpack() returns

if not server_now then
  local clock = redis.call('TIME')
  server_now = clock[1] * 1000000 + clock[2]
end

local values = {} -- by key: the packed counter, as charged so far; false if it does not exist
local faults = {} -- by key: the error from reading or writing it
local KEEP_TTL = 0 -- in ttls: the TTL that the key has stays
local ttls = {} -- by key: the TTL to write, in milliseconds
local changed, changes = {}, 0 -- the keys in ttls, in order, and their number
local named, imported = {}, {} -- by key: whether it is of a named window; whether its count is that of another key

for first = 1, #KEYS, MAX_KEYS do
  local last = min(first + MAX_KEYS - 1, #KEYS)
  local found = redis.pcall('MGET', unpack(KEYS, first, last))
  for i = first, last do
    values[i] = found[i - first + 1]
    faults[i] = found.err
  end
end

-- Returns the packed state that the counter of a named window has in the other format; false if it has none.
local function import(i, start)
  local value = redis.pcall('GET', string.match(KEYS[i], '^(.*)@'))
  if not value or #value ~= 24 then return false end
  return unpack_at(STATE, value) == start and value
end

-- Returns the packed state of a counter, which is that of this hit; false if it does not exist or cannot be read.
local function read(i, hit)
  if faults[i] then return false end
  local value, start = values[i], hit.start
  if not value then
    -- for a key of another type MGET returns nil, as if it did not exist
    local found = redis.pcall('GET', KEYS[i])
    if found then
      faults[i] = found.err
    elseif hit.imports then
      value = import(i, start)
      values[i], imported[i] = value, value and true
    end
  elseif start and not named[i] then
    local count = tonumber(value)
    if count then
      value = pack(STATE, start, count, 0)
      values[i] = value
    else
      faults[i] = 'WRONGVALUE the key holds a string that is not a counter'
      return false
    end
  elseif #value ~= 24 then
    faults[i] = 'WRONGVALUE the key holds a string that is not a counter'
    return false
  end
  named[i] = start
  return value
end

-- Returns what is stored of a counter.
local function stored(i)
  if not named[i] then return values[i] end
  local _, count = unpack_at(STATE, values[i])
  return string.format('%.0f', count)
end

-- Records the state of a counter after a hit. `found` is the time of the state before. All that is counted in one
-- window expires with it, so a counter that was charged earlier in the window keeps its TTL.
local function change(i, hit, now, jitter, found, time, current, previous)
  values[i] = pack(STATE, time, current, previous)
  if not ttls[i] then
    changes = changes + 1
    changed[changes] = i
  end
  if found ~= time or not hit.expires_with_window or imported[i] and not ttls[i] then
    local ends = min(hit.ends(hit, time, current), MAX_COUNT)
    ttls[i] = max(ceil((ends - now) / 1000), 1) + jitter
  elseif not ttls[i] then
    ttls[i] = KEEP_TTL
  end
end

-- Returns a group's part of the reply for a fault of its counter number `counter`.
local function refusal(counter, fault)
  return pack('<BI4I4', 1, counter, #fault) .. fault
end

-- Returns the same for the first of a group's counters that has a fault; nil if none has.
local function fault_among(counters)
  for i = 1, #counters do
    local fault = faults[counters[i]]
    if fault then return refusal(i, fault) end
  end
end

-- Returns the same for a hit by a calendar or in a named window if the time that it was sent for is not the server's.
local function fault_of_clock(hit, now)
  local bounds, start = hit.bounds, hit.start
  if bounds and not (bounds[1] <= now and now < bounds[5]) then
    return refusal(hit.counter, 'CLOCK the windows of a calendar were sent for another time than this server has')
  elseif start and (now < start - SLACK or now >= start + hit.window + SLACK) then
    return refusal(hit.counter, 'CLOCK a counter is named for another time than this server has')
  end
end

-- Returns the same for the first of these hits that has such a fault; nil if none has.
local function fault_of_clocks(hits, now)
  for i = 1, #hits do
    local fault = fault_of_clock(hits[i], now)
    if fault then return fault end
  end
end

local parts, part_count = { pack('<d', server_now) }, 1 -- of the reply

-- Settles a group of one hit that is not denied for another reason. Equals settle(), but needs no tables. Appends the
-- group's part of the reply.
local function settle_lone(kind, counter, times, jitter)
  local hit, now = kind.lone, kind.now
  local before = read(counter, hit)
  part_count = part_count + 1
  local fault = faults[counter] and refusal(1, faults[counter]) or fault_of_clock(hit, now)
  if fault then
    parts[part_count] = fault
    return
  end
  local time, current, previous
  if before then time, current, previous = unpack_at(STATE, before) end
  local found, charged, step = time, false, hit.step
  for _ = 1, times do
    local _, t, c, p = step(hit, hit.now or now, time, current, previous)
    if t then time, current, previous, charged = t, c, p, true end
  end
  if charged then change(counter, hit, now, jitter, found, time, current, previous) end
  if before then
    parts[part_count] = charged and '\0\3' or '\0\2'
    part_count = part_count + 1
    parts[part_count] = before
  else
    parts[part_count] = charged and '\0\1' or '\0\0'
  end
end

-- Settles any group and returns its part of the reply.
local function settle_group(kind, counters, times, jitter)
  local before, held = {}, {}
  for i = 1, #counters do
    local value = read(counters[i], kind.first_hits[i])
    before[i] = value
    held[i] = value and { unpack_at(STATE, value) }
  end
  local states = copy(held)
  local fault = fault_among(counters) or fault_of_clocks(kind.hits, kind.now)
  if fault then return fault end

  for _ = 1, times do settle(held, kind.hits, kind.atomic, kind.quota_passed, kind.refused, kind.now) end

  local part = { '\0' }
  for i = 1, #counters do
    local state, found = held[i], states[i]
    local charged = state ~= found
    if charged then
      change(counters[i], state[4], kind.now, jitter, found and found[1], state[1], state[2], state[3])
    end
    if before[i] then
      part[i + 1] = (charged and '\3' or '\2') .. before[i]
    else
      part[i + 1] = charged and '\1' or '\0'
    end
  end
  return table.concat(part)
end

-- Reads the hit at position `at` of ARGV[1]. Returns it and the position after it.
local function hit_at(at, by_server)
  local counter, algorithm, joins, shadow, quota, gives_back, count_denied, amount, limit, burst, window, after =
    unpack_at(HIT, ARGV[1], at)
  local bounds
  if algorithm == CALENDAR then
    bounds = { unpack_at(BOUNDS, ARGV[1], after) }
    after = bounds[7]
    bounds[7] = nil
  end
  local start, now
  if algorithm >= NAMED_WINDOW then
    start, now = burst, min(max(server_now, burst), burst + window - 1)
  end
  -- one constructor with all fields: a table that grows is reallocated several times
  local hit = {
    counter = counter, step = STEPS[algorithm], ends = ENDS[algorithm], joins = joins == 1, shadow = shadow == 1,
    quota = quota == 1, gives_back = gives_back == 1, count_denied = count_denied == 1, amount = amount,
    asked = asked(amount, count_denied == 1), limit = limit, burst = burst, window = window, bounds = bounds,
    start = start, now = now, imports = algorithm == MAY_IMPORT,
    expires_with_window = by_server and algorithm ~= TOKEN_BUCKET,
  }
  return hit, after
end

local kinds, at = {}, 1
while at <= #ARGV[1] do
  local atomic, quota_passed, refused, count, counters, now
  atomic, quota_passed, refused, count, counters, now, at = unpack_at(KIND, ARGV[1], at)
  local by_server = now < 0
  local hits, first_hits = {}, {}
  for i = 1, count do
    hits[i], at = hit_at(at, by_server)
    first_hits[hits[i].counter] = first_hits[hits[i].counter] or hits[i]
  end
  kinds[#kinds + 1] = {
    atomic = atomic == 1, quota_passed = quota_passed == 1, refused = refused == 1, counters = counters,
    now = by_server and server_now or now, hits = hits, first_hits = first_hits,
    lone = count == 1 and (atomic == 0 or refused == 0) and not hits[1].bounds and hits[1],
  }
end

-- Reads the group at position `at` of ARGV[2]. Returns the position after it, its kind, times, jitter, and counters: a
-- list, or for a kind of one lone hit the counter itself.
local function group_at(at)
  local kind, times, jitter, after = unpack_at(GROUP, ARGV[2], at)
  kind = kinds[kind]
  local counters
  if kind.lone then
    counters, after = unpack_at(COUNTER, ARGV[2], after)
  else
    counters = {}
    for i = 1, kind.counters do counters[i], after = unpack_at(COUNTER, ARGV[2], after) end
  end
  return after, kind, times, jitter, counters
end

local ends, group = {}, 0 -- by group: the index of its last part of the reply; the group's number
at = 1
while at <= #ARGV[2] do
  local kind, times, jitter, counters
  at, kind, times, jitter, counters = group_at(at)
  if kind.lone then
    settle_lone(kind, counters, times, jitter)
  else
    part_count = part_count + 1
    parts[part_count] = settle_group(kind, counters, times, jitter)
  end
  group = group + 1
  ends[group] = part_count
end

local failed = false
for n = 1, changes do
  local i = changed[n]
  local result
  if ttls[i] == KEEP_TTL then
    result = redis.pcall('SET', KEYS[i], stored(i), 'KEEPTTL')
  else
    result = redis.pcall('SET', KEYS[i], stored(i), 'PX', ttls[i])
  end
  if result.err then
    faults[i] = result.err
    failed = true
  end
end
if not failed then return table.concat(parts) end

-- a write failed: groups that used the counter get the error instead, because their charges do not exist
local corrected = { parts[1] }
at, group = 1, 0
while at <= #ARGV[2] do
  local _, kind, counters
  at, kind, _, _, counters = group_at(at)
  group = group + 1
  local fault = fault_among(kind.lone and { counters } or counters)
  if fault then
    corrected[#corrected + 1] = fault
  else
    for part = (ends[group - 1] or 1) + 1, ends[group] do corrected[#corrected + 1] = parts[part] end
  end
end
return table.concat(corrected)

-- Evaluates many groups of hits in one call, each atomically, in order. The end of the script that the build assembles
-- from this folder; src/store/redis/ writes its input and reads its output.
--
-- KEYS: for each group, its counters, each once. A key may come again in another group.
-- ARGV[1]: for each group, little-endian and without gaps:
--   B atomic, B quota_passed, B refused, I4 hits, I4 counters, I4 times, d jitter (ms), d now (us since the epoch; -1:
--   the server's)
--   then each of its hits:
--   I4 counter (1 is the group's first), B algorithm (1 fixed window, 2 sliding window, 3 token bucket, 4 fixed window
--   by a calendar), B joins the descriptor of the hit before, B shadow, B quota, B gives back, B count_denied, d amount,
--   d limit, d burst, d window (us), and by a calendar d six times: the bounds (us) of five windows, one after the other
--   The group is settled `times` times, one after the other. With no groups the script tells the time.
-- Returns: one string, little-endian: d the server's time (us), and for each group
--   B 0, and for each counter a byte (1 if it was written, plus 2 if it existed) and, if it existed, the three doubles
--   of its state before the group; or
--   B 1, I4 counter, I4 length, and the error that reading or writing it gave. A group whose counter cannot be read
--   charges nothing; one whose counter cannot be written may have charged others. The error is the script's own, and
--   nothing is charged, if now is in none of the first four windows that were sent of a calendar.
--
-- A counter is a string of three doubles (time, current, previous) that expires by itself. Each key is read once in a
-- call, by GET, and written at most once, by SET ... PX; what only looks or is denied writes nothing.

local GROUP, HIT, STATE, BOUNDS = '<BBBI4I4I4dd', '<I4BBBBBBdddd', '<ddd', '<dddddd'

local states = {} -- by key: the state as charged so far, or false
local stored = {} -- by key: the same, packed
local faults = {} -- by key: why it cannot be read or written
local lives = {} -- by key: for how many milliseconds it is to be written
local written = {} -- the keys of lives, in order

local function read(key)
  if states[key] ~= nil or faults[key] then return end
  local value = redis.pcall('GET', key)
  if not value then
    states[key] = false
  elseif type(value) == 'table' then
    faults[key] = value.err
  elseif #value ~= 24 then
    faults[key] = 'WRONGVALUE the key holds a string that is not a counter'
  else
    local time, current, previous = unpack_at(STATE, value)
    states[key] = { time = time, current = current, previous = previous }
    stored[key] = value
  end
end

local function write(key, state, now, jitter)
  if not lives[key] then written[#written + 1] = key end
  local ends = min(ENDS[state.by[ALGORITHM]](state, state.by), MOST)
  lives[key] = max(ceil((ends - now) / 1000), 1) + jitter
  states[key] = state
  stored[key] = pack(STATE, state.time, state.current, state.previous)
end

-- The first counter of a group that has a fault, as the reply tells it; nil if there is none.
local function fault_among(first, counters)
  for i = 1, counters do
    local fault = faults[KEYS[first + i]]
    if fault then return pack('<BI4I4', 1, i, #fault) .. fault end
  end
end

-- Of the first calendar whose bounds do not reach to now; nil if all do.
local function fault_of_bounds(hits, now)
  for i = 1, #hits do
    local bounds = hits[i].bounds
    if bounds and not (bounds[1] <= now and now < bounds[5]) then
      local fault = 'CLOCK the windows of a calendar were sent for another time than this server has'
      return pack('<BI4I4', 1, hits[i][COUNTER], #fault) .. fault
    end
  end
end

-- What settle() comes to for a hit on its own that may pass without others: most of all groups, and so without a list of
-- anything. Returns its part of the reply; nil if the counter has a fault.
local function settle_lone(key, hit, times, now, jitter)
  read(key)
  local before = states[key]
  if before == nil then return nil end
  local step, after = STEPS[hit[ALGORITHM]], before
  for _ = 1, times do
    local _, state = step(after, hit, now)
    after = state or after
  end
  if before == after then
    return before and '\0\2' .. stored[key] or '\0\0'
  end
  local reply = before and '\0\3' .. stored[key] or '\0\1'
  write(key, after, now, jitter)
  return reply
end

local clock = redis.call('TIME')
local server_now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local replies = { pack('<d', server_now) }
local firsts, sizes = {}, {} -- by group: how many keys come before its own, and how many it has
local program, at, first = ARGV[1], 1, 0

while at <= #program do
  local atomic, quota_passed, refused, hit_count, counters, times, jitter, now
  atomic, quota_passed, refused, hit_count, counters, times, jitter, now, at = unpack_at(GROUP, program, at)
  if now < 0 then now = server_now end
  local hits = {}
  for i = 1, hit_count do
    local hit = { unpack_at(HIT, program, at) }
    hits[i] = hit
    at = hit[NEXT]
    if hit[ALGORITHM] == CALENDAR then
      hit.bounds = { unpack_at(BOUNDS, program, at) }
      at = hit.bounds[7]
      hit.bounds[7] = nil
    end
  end

  local reply
  if hit_count == 1 and atomic == 0 and not hits[1].bounds then
    reply = settle_lone(KEYS[first + 1], hits[1], times, now, jitter) or fault_among(first, 1)
  else
    for i = 1, counters do read(KEYS[first + i]) end
    reply = fault_among(first, counters) or fault_of_bounds(hits, now)
    if not reply then
      local held = {}
      for i = 1, counters do held[i] = states[KEYS[first + i]] end
      for _ = 1, times do settle(held, hits, atomic == 1, quota_passed == 1, refused == 1, now) end

      -- parts that are joined once: a string that grows by each counter would be copied as often
      local parts = { '\0' }
      for i = 1, counters do
        local key = KEYS[first + i]
        local before, after = states[key], held[i]
        if before then
          parts[i + 1] = (before == after and '\2' or '\3') .. stored[key]
        else
          parts[i + 1] = before == after and '\0' or '\1'
        end
        if before ~= after then write(key, after, now, jitter) end
      end
      reply = table.concat(parts)
    end
  end
  replies[#replies + 1] = reply
  firsts[#firsts + 1], sizes[#sizes + 1] = first, counters
  first = first + counters
end

local failed = false
for i = 1, #written do
  local key = written[i]
  local result = redis.pcall('SET', key, stored[key], 'PX', lives[key])
  if result.err then
    faults[key] = result.err
    failed = true
  end
end
if failed then
  -- whatever was told of these counters in this call was told of charges that are not there
  for group = 1, #firsts do replies[group + 1] = fault_among(firsts[group], sizes[group]) or replies[group + 1] end
end
return table.concat(replies)

-- Answers small calls before any function or table of the script is made: of a call with one decision, making them is
-- most of the cost. This is the first part of the script that the build assembles from this folder; driver.lua
-- describes the input and the output. What is not answered here continues in the rest of the script as if this part did
-- not exist: nothing here has an effect before the first SET, and a SET is always followed by an answer.
--
-- Answered here: one group of 1 to MOST hits, or up to MOST groups of one hit each, if every hit has a counter of its
-- own. Left to the rest: hits by a calendar, a lone hit whose group is refused, a group of several hits that is settled
-- more than once, and calls with a counter that cannot be read, that may have to be imported, or whose named window is
-- not the server's.
--
-- The arithmetic is that of meter.lua, fixed_window.lua, sliding_window.lua, token_bucket.lua and group.lua, operation
-- by operation, without their functions: change both together. `if not (a < b) then a = b end` is a = min(a, b), also
-- for NaN. tests/store/parity/early compares replies and writes with those of the rest of the script, bit for bit.

-- used by the other files too
local KIND, HIT, GROUP, COUNTER, STATE = '<BBBI4I4d', '<I4BBBBBBdddd', '<I4I4I4', '<I4', '<ddd'
local floor, ceil, pack, unpack_at = math.floor, math.ceil, struct.pack, struct.unpack
local MAX_COUNT = 9007199254740991 -- 2^53 - 1
local SLACK = 2000000 -- microseconds that the server's clock may be outside a named window
local server_now -- microseconds since the epoch; nil until the server was asked

do
  local MOST, SLIDING_WINDOW, TOKEN_BUCKET, CALENDAR, NAMED_WINDOW, MAY_IMPORT = 8, 2, 3, 4, 5, 6
  local LONE_GROUP_BYTES, LONE_KIND_BYTES = 16, 61
  local kinds, groups, count, run = ARGV[1], ARGV[2], #KEYS, redis.pcall
  local one_group = #groups == 12 + 4 * count
  if count > 0 and count <= MOST and (one_group or #groups == LONE_GROUP_BYTES * count) then
    local clock = redis.call('TIME')
    server_now = clock[1] * 1000000 + clock[2]

    -- Tables are made only for several counters. By counter: the packed state as found, false if there is none; the
    -- packed state to write, nil if it stays; the TTL to write with it, nil if the key keeps its own.
    local values, states, ttls
    -- Of one group, by hit: the first hit of its descriptor; whether its charge stays when it is denied together with
    -- others. By first hit: whether an enforced hit of the descriptor was over; whether the descriptor is a quota.
    local first_of, stays, over, quotas
    if count > 1 then
      values, states, ttls = run('MGET', unpack(KEYS)), {}, {}
      if one_group then first_of, stays, over, quotas = {}, {}, {}, {} end
    end

    local atomic, quota_passed, refused, hits, counters, now, at, by_server, times, jitter
    local computed, first = 0, 1
    for i = 1, count do
      if i == 1 or not one_group then
        -- the counters of all groups are those of KEYS, in that order: there are as many, and each is in KEYS once
        local kind
        kind, times, jitter = unpack_at(GROUP, groups, (i - 1) * LONE_GROUP_BYTES + 1)
        -- all kinds before this one were seen to be of a lone hit
        at = (kind - 1) * LONE_KIND_BYTES + 1
        atomic, quota_passed, refused, hits, counters, now, at = unpack_at(KIND, kinds, at)
        by_server = now < 0
        if by_server then now = server_now end
        if counters ~= hits or hits ~= (one_group and count or 1) then break end
        if hits == 1 and atomic == 1 and refused == 1 or hits > 1 and times > 1 then break end
      end
      local _, algorithm, joins, shadow, quota, gives_back, count_denied, amount, limit, burst, window
      _, algorithm, joins, shadow, quota, gives_back, count_denied, amount, limit, burst, window, at =
        unpack_at(HIT, kinds, at)
      local is_named, hit_now = algorithm >= NAMED_WINDOW, now
      if algorithm == CALENDAR or is_named and (now < burst - SLACK or now >= burst + window + SLACK) then break end
      -- for a key of another type MGET returns nil, as if it did not exist, and GET an error: a table, of length 0
      local value = values and values[i] or run('GET', KEYS[i])

      local time, current, previous = nil, 0, 0
      if is_named then
        if now < burst then hit_now = burst elseif now >= burst + window then hit_now = burst + window - 1 end
        if value then
          time, current = burst, tonumber(value)
          if not current then break end
          value = pack(STATE, time, current, 0)
        elseif algorithm == MAY_IMPORT then
          break
        end
      elseif value then
        if #value ~= 24 then break end
        time, current, previous = unpack_at(STATE, value)
      elseif algorithm == TOKEN_BUCKET then
        current = burst
      end
      local asked = amount
      if amount == 0 and count_denied == 0 then asked = 1 end
      local found, charged, allowed = time, false, false
      for _ = 1, times do
        local present, since = hit_now, time or hit_now
        if not (since <= present) then
          if since - present <= window then present = since else since = present end
        end
        if algorithm == TOKEN_BUCKET then
          local level, debt = current, -10 * burst
          if not (level < burst) then level = burst end
          if not (level > debt) then level = debt end
          level = level + (present - since) * limit / window
          if not (level < burst) then level = burst end
          local full = level >= burst
          allowed = level >= asked or gives_back == 1
          if gives_back == 1 then
            if amount > 0 and not full then
              level = level + amount
              if not (level < burst) then level = burst end
              time, current, previous, charged = present, level, 0, true
            end
          elseif amount > 0 and (allowed or count_denied == 1) then
            level = level - amount
            if not (level > debt) then level = debt end
            if not (full and level >= burst) then time, current, previous, charged = present, level, 0, true end
          end
        else
          local start, used, before = floor(present / window) * window, 0, 0
          if since >= start then
            used, before = current, previous
          elseif since >= start - window then
            before = current
          end
          if not (used > 0) then used = 0 elseif not (used < MAX_COUNT) then used = MAX_COUNT end
          if not (before > 0) then before = 0 elseif not (before < MAX_COUNT) then before = MAX_COUNT end
          local estimate = used
          if algorithm == SLIDING_WINDOW then
            estimate = before * (window - (present - start)) / window + used
          else
            before = 0
          end
          allowed = estimate + asked <= limit or gives_back == 1
          if gives_back == 1 then
            if amount > 0 and not (used == 0 and before == 0) then
              local rest = amount - used
              if not (rest > 0) then rest = 0 end
              used, before = used - amount, before - rest
              if not (used > 0) then used = 0 end
              if not (before > 0) then before = 0 end
              time, current, previous, charged = start, used, before, true
            end
          elseif amount > 0 and (allowed or count_denied == 1) then
            used = used + amount
            if not (used < MAX_COUNT) then used = MAX_COUNT end
            time, current, previous, charged = start, used, before, true
          end
        end
      end

      local state, ttl
      if charged then
        state = is_named and string.format('%.0f', current) or pack(STATE, time, current, previous)
        if found ~= time or not by_server or algorithm == TOKEN_BUCKET then
          local ends = time
          if algorithm == SLIDING_WINDOW then
            ends = time + 2 * window
          elseif algorithm ~= TOKEN_BUCKET then
            ends = time + window
          elseif burst - current > 0 then
            ends = time + ceil((burst - current) * window / limit) + 1000
          end
          if not (ends < MAX_COUNT) then ends = MAX_COUNT end
          ttl = ceil((ends - now) / 1000)
          if not (ttl > 1) then ttl = 1 end
          ttl = ttl + jitter
        end
      end

      if count == 1 then
        if state then
          local result
          if ttl then
            result = run('SET', KEYS[1], state, 'PX', ttl)
          else
            result = run('SET', KEYS[1], state, 'KEEPTTL')
          end
          local fault = result.err
          if fault then return pack('<dBI4I4', server_now, 1, 1, #fault) .. fault end
        end
        if value then return pack('<d', server_now) .. (state and '\0\3' or '\0\2') .. value end
        return pack('<d', server_now) .. (state and '\0\1' or '\0\0')
      end

      values[i], states[i], ttls[i] = value, state, ttl
      if one_group then
        if joins == 0 then first = i end
        first_of[i] = first
        stays[i] = shadow == 1 or not allowed
        if shadow == 0 and not allowed then over[first] = true end
        if quota == 1 then quotas[first] = true end
      end
      computed = i
    end

    if computed == count and not values.err then
      -- No two hits share a counter, so what settle() charges after it has undone the charges of denied hits is what
      -- they charged before: all of it if the hit is shadow or was over itself, and nothing otherwise.
      local denied = false
      if one_group and atomic == 1 then
        local quota, passed = false, quota_passed == 1
        denied = refused == 1
        for i = 1, count do
          if quotas[i] then
            quota = true
            passed = passed or not over[i]
          elseif over[i] then
            denied = true
          end
        end
        denied = denied or quota and not passed
      end

      local parts, head, refusal = { pack('<d', server_now) }, '\0', nil
      for i = 1, count do
        local value, state, fault = values[i], states[i], nil
        if state and one_group and not stays[i] and (denied or over[first_of[i]]) then state = nil end
        if state then
          local result
          if ttls[i] then
            result = run('SET', KEYS[i], state, 'PX', ttls[i])
          else
            result = run('SET', KEYS[i], state, 'KEEPTTL')
          end
          fault = result.err
        end
        if fault then
          parts[i + 1] = pack('<BI4I4', 1, one_group and i or 1, #fault) .. fault
          refusal = refusal or parts[i + 1]
        elseif value then
          parts[i + 1] = head .. (state and '\3' or '\2') .. value
        else
          parts[i + 1] = head .. (state and '\1' or '\0')
        end
        if one_group then head = '' end
      end
      if one_group and refusal then return parts[1] .. refusal end
      return table.concat(parts)
    end
  end
end

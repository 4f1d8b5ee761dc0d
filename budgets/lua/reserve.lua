-- Holds an amount on every counter that a request touches: all of them or none.
-- KEYS  1 policy, 2 hold, 3 holds, 4 journal, 5.. counters (the widest scope first)
-- ARGV  1 run_id, 2 policy version, 3 deadline (ms), 4 and 5 the day's start and end (s), 6 lease (ms), 7 least, 8 most,
--       9 owner, 10 meta (JSON), 11 hold prefix, 12 hold id, then for each counter: cap ('' for none), hard ('1' or ''),
--       expiry (s); last, if the caller has holds of this tenant: the building of the counters that it has shown them to,
--       and '1' if nothing between `least` and `most` is of any use
-- Reply {'OK', granted, at, remaining ('' without caps), building}; a hold that is open already answers as the first time
--       `granted` is `most` while twice that, and four times what is held already, are left; where money is short, `least`
--       or a share of what is left: whoever comes first does not take it all
--       {'CAPPED', n, spent, held, cap, now}: counter n (from 1) has no room for `least` even with nothing held
--       {'HELD', n, spent, held, cap, now}: it would have, but for what is in flight
--       {'COLD'}: not the counters that the caller knows
--       {'OPENING', ms} {'FENCED', tokens} {'STALE', version} {'WRONG_WINDOW', now} {'LATE', now} {'GONE', state}
local now = now_ms()
if now > tonumber(ARGV[3]) then return {'LATE', int(now)} end
local p = call('HMGET', KEYS[1], 'run_id', 'version', 'fence', 'open_at', 'built')
local n = #KEYS - 4
local built, shown = p[5] or '', ARGV[13 + 3 * n]
if p[1] ~= ARGV[1] or (shown and shown ~= '' and shown ~= built) then return {'COLD'} end
if p[4] and now < tonumber(p[4]) then return {'OPENING', int(tonumber(p[4]) - now)} end
if p[3] and p[3] ~= '' then return {'FENCED', p[3]} end
if p[2] ~= ARGV[2] then return {'STALE', p[2] or ''} end
if now < tonumber(ARGV[4]) * 1000 or now >= tonumber(ARGV[5]) * 1000 then return {'WRONG_WINDOW', int(now)} end
-- What a repeated call is told of its hold.
local function as_before(text)
  local state, amount, counters, from = parts(text)
  if state ~= 'open' then return {'GONE', state} end
  local at, left = string.match(text, '^(%d+)\n[^\n]*\n([^\n]*)', from + #amount + #counters + 2)
  return {'OK', amount, at, left, built}
end
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 16)) do
  lapse(KEYS[3], KEYS[4], ARGV[11] .. id, id)
end

local least, most = tonumber(ARGV[7]), tonumber(ARGV[8])
local granted = most
local remaining, capped, blocked = nil, nil, nil
local spent, held = {}, {}
for i = 1, n do
  local c = call('HMGET', KEYS[4 + i], 'spent', 'held')
  spent[i], held[i] = tonumber(c[1] or '0'), tonumber(c[2] or '0')
  local cap = tonumber(ARGV[10 + 3 * i])
  if cap then
    local room = cap - spent[i] - held[i]
    if ARGV[11 + 3 * i] == '1' then
      if room < least then
        if cap - spent[i] < least then capped = capped or i else blocked = blocked or i end
      end
      -- The more is held already, the more are likely to come yet: never more than a half, and less and less of it.
      local share = math.floor(room / (2 + math.floor(4 * held[i] / math.max(most, 1))))
      if share < granted then granted = share end
    end
    if not remaining or room < remaining then remaining = room end
  end
end
local wall = capped or blocked
if wall then
  local known = text_of(KEYS[2])
  if known then return as_before(known) end
  local key, cap = KEYS[4 + wall], ARGV[10 + 3 * wall]
  -- Journaled once a scope, window and amount: a wall that was moved is a new one. Not of end users: whoever makes up
  -- names and is refused at once must leave nothing behind.
  if capped and not string.find(key, '}:user:', 1, true) and call('HGET', key, 'refused') ~= cap then
    call('HSET', key, 'refused', cap)
    call('EXPIREAT', key, ARGV[12 + 3 * wall])
    call('XADD', KEYS[4], '*', 't', 'refused', 'h', '', 'c', '0', 'r', table.concat({cap, key, int(now), '', '', ARGV[10]}, '\n'), 'u', '')
  end
  return {capped and 'CAPPED' or 'HELD', wall, int(spent[wall]), int(held[wall]), cap, int(now)}
end

if granted < most then granted = ARGV[14 + 3 * n] == '1' and least or math.max(least, granted) end
local counters = table.concat(KEYS, ' ', 5)
local amount, at = int(granted), int(now)
local left = remaining and int(remaining - granted) or ''
local text = table.concat({'open', amount, counters, at, ARGV[9], left, ARGV[10]}, '\n')
if not call('SET', KEYS[2], text, 'NX') then return as_before(text_of(KEYS[2])) end
for i = 1, n do
  if call('HINCRBY', KEYS[4 + i], 'held', amount) == granted and spent[i] == 0 then
    call('EXPIREAT', KEYS[4 + i], ARGV[12 + 3 * i])
  end
end
call('ZADD', KEYS[3], now + ARGV[6], ARGV[12])
return {'OK', amount, at, left, built}

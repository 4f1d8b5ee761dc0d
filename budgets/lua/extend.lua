-- Enlarges an open hold, for a stream that outruns it.
-- KEYS  1 policy, 2 hold, 3 holds, 4.. counters, as at the reservation
-- ARGV  1 run_id, 2 deadline (ms), 3 lease (ms), 4 least, 5 most, 6 hold id, 7 the hold's amount as the caller knows it,
--       then for each counter: cap, hard; last the policy version that the caps are of
-- Reply {'OK', amount}: the whole hold now {'CAPPED' or 'HELD', n, spent, held, cap, now}, HELD if there were room but for
--       what others hold {'GONE', state} {'COLD'}
--       {'LATE', now} {'FENCED', tokens} {'STALE', version}: the caps may be others now
-- A repeated call (its first reply was lost) finds another amount than the caller knows, and answers it without adding again.
local now = now_ms()
if now > tonumber(ARGV[2]) then return {'LATE', int(now)} end
local p = call('HMGET', KEYS[1], 'run_id', 'version', 'fence')
if p[1] ~= ARGV[1] then return {'COLD'} end
local text = text_of(KEYS[2])
local state, held_now, counters = parts(text or 'unknown')
if state ~= 'open' then return {'GONE', state} end
if held_now ~= ARGV[7] then return {'OK', held_now} end
local version = ARGV[2 + 2 * #KEYS]
if version then
  if p[3] and p[3] ~= '' then return {'FENCED', p[3]} end
  if p[2] ~= version then return {'STALE', p[2] or ''} end
end
local least, granted, own = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(held_now)
local capped, blocked, at = nil, nil, {}
for i = 1, #KEYS - 3 do
  local cap = tonumber(ARGV[6 + 2 * i])
  if cap and ARGV[7 + 2 * i] == '1' then
    local c = call('HMGET', KEYS[3 + i], 'spent', 'held')
    local spent, held = tonumber(c[1] or '0'), tonumber(c[2] or '0')
    local room = cap - spent - held
    if room < least then
      at[i] = {int(spent), int(held), ARGV[6 + 2 * i]}
      if cap - spent - own < least then capped = capped or i else blocked = blocked or i end
    end
    -- Where money is short, all the streams that run have to get by with what is left.
    local share = math.floor(room / 8)
    if share < granted then granted = share end
  end
end
local wall = capped or blocked
if wall then
  return {capped and 'CAPPED' or 'HELD', wall, at[wall][1], at[wall][2], at[wall][3], int(now)}
end
granted = math.max(least, granted)
for i = 4, #KEYS do call('HINCRBY', KEYS[i], 'held', granted) end
local amount = int(own + granted)
call('SET', KEYS[2], 'open\n' .. amount .. string.sub(text, 6 + #held_now))
call('ZADD', KEYS[3], 'XX', now + ARGV[3], ARGV[6])
return {'OK', amount}

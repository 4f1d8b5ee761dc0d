-- Put in front of every script of this folder. Amounts are integers in nanodollars below 2^53; Lua numbers are doubles, so
-- whatever goes back into Redis is written with '%.0f'.

local TOMBSTONE_SECONDS = 86400

local function int(n)
  return string.format('%.0f', n)
end

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- Adds to one field of each counter that a hold touches; a counter that was gone already gets a life again, a bounded one.
local function add(counters, field, amount)
  if amount == 0 then return end
  for key in string.gmatch(counters, '%S+') do
    if redis.call('HINCRBY', key, field, int(amount)) == amount and redis.call('TTL', key) == -1 then
      redis.call('EXPIRE', key, 259200)
    end
  end
end

-- What is left of a hold after its end: its state, so that nothing can happen to it twice. The drain shortens its life
-- once the row is in the database.
local function bury(hold_key, state)
  redis.call('DEL', hold_key)
  redis.call('HSET', hold_key, 'state', state)
  redis.call('EXPIRE', hold_key, TOMBSTONE_SECONDS)
end

-- Ends a hold whose lease ran out: charged in full, since nobody can say any more what it cost.
local function lapse(holds_key, journal_key, hold_key, id, now)
  local h = redis.call('HMGET', hold_key, 'state', 'amount', 'k', 'at', 'm')
  redis.call('ZREM', holds_key, id)
  if h[1] ~= 'open' then return false end
  local amount = tonumber(h[2])
  add(h[3], 'held', -amount)
  add(h[3], 'spent', amount)
  redis.call('XADD', journal_key, '*', 't', 'lapsed', 'h', id, 'c', h[2], 'a', h[2], 'k', h[3], 'at', h[4], 'now', int(now), 'm', h[5], 'u', '')
  -- Kept whole: a late settle needs to know what was charged.
  redis.call('HSET', hold_key, 'state', 'ended')
  redis.call('EXPIRE', hold_key, TOMBSTONE_SECONDS)
  return true
end

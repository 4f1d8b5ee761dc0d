-- Put in front of every script of this folder. Amounts are integers in nanodollars below 2^53; Lua numbers are doubles.
-- redis.call writes a whole number out in full; what is put together in Lua goes through int(), for `..` does not.

local TOMBSTONE_SECONDS = 86400
local STRAY_SECONDS = 259200
local call = redis.call

local function int(n)
  return string.format('%.0f', n)
end

local function now_ms()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- A hold is one text, in lines: state, amount, counters (a space between), at (ms), owner, what it left ('' without caps),
-- meta (JSON). Its entry in the journal has all but the first; after its end the state alone is left.

-- The text of a hold, or false. Before 2026-11-24 it was a hash, and such a one may still be open, or ended, on disk.
local function text_of(hold_key)
  local text = redis.pcall('GET', hold_key)
  if type(text) ~= 'table' then return text end
  local h = call('HMGET', hold_key, 'state', 'amount', 'k', 'at', 'o', 'left', 'm')
  if not h[2] then return h[1] end
  for i = 3, 7 do h[i] = h[i] or '' end
  return table.concat(h, '\n')
end

-- State, amount (a text), counters, and where the lines after the state begin; of a tombstone the state alone.
local function parts(text)
  local state, from = string.match(text, '^(%l+)\n()')
  if not state then return text end
  local amount, names = string.match(text, '^(%d+)\n()', from)
  return state, amount, string.sub(text, names, string.find(text, '\n', names, true) - 1), from
end

-- Moves both sums of each counter that a hold touches; a counter that was gone already gets a life again, a bounded one.
local function add(counters, held, spent)
  if held == 0 and spent == 0 then return end
  local from = 1
  while from <= #counters do
    local upto = string.find(counters, ' ', from, true) or #counters + 1
    local key = string.sub(counters, from, upto - 1)
    local c = call('HMGET', key, 'held', 'spent')
    call('HSET', key, 'held', (c[1] or 0) + held, 'spent', (c[2] or 0) + spent)
    if not c[1] and not c[2] and call('TTL', key) == -1 then call('EXPIRE', key, STRAY_SECONDS) end
    from = upto + 1
  end
end

-- What is left of a hold after its end, so that nothing can happen to it twice. The drain shortens its life once the row
-- is in the database.
local function bury(hold_key, state)
  call('SET', hold_key, state, 'EX', TOMBSTONE_SECONDS)
end

-- Ends a hold whose lease ran out: charged in full, since nobody can say any more what it cost.
local function lapse(holds_key, journal_key, hold_key, id)
  call('ZREM', holds_key, id)
  local text = text_of(hold_key)
  local state, amount, counters, from = parts(text or '')
  if state ~= 'open' then return false end
  local body = string.sub(text, from)
  add(counters, -amount, tonumber(amount))
  call('XADD', journal_key, '*', 't', 'lapsed', 'h', id, 'c', amount, 'r', body, 'u', '')
  bury(hold_key, 'ended\n' .. body) -- kept whole: a late settle needs to know what was charged
  return true
end

-- An entry of the journal by its names: `a` the amount and `k` the counters are the first lines of `r`.
local function entry_of(fields)
  local e = {}
  for i = 1, #fields, 2 do e[fields[i]] = fields[i + 1] end
  if e.r then e.a, e.k = string.match(e.r, '^(%d+)\n([^\n]*)') end
  return e
end

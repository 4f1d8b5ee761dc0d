-- Make a committed policy version known and take off the fence tokens named, and no others.
-- KEYS  1 policy:{tenant}
-- ARGV  1 run_id of this server (unused)   2 version as committed, decimal   3.. tokens to take off
-- Reply the version that holds now: never lower than it was
local version = redis.call('HGET', KEYS[1], 'version')
if not version or tonumber(ARGV[2]) > tonumber(version) then
  version = ARGV[2]
  redis.call('HSET', KEYS[1], 'version', version)
end

local fence = redis.call('HGET', KEYS[1], 'fence')
if fence then
  local taken, left = {}, {}
  for i = 3, #ARGV do
    taken[ARGV[i]] = true
  end
  for token in string.gmatch(fence, '%S+') do
    if not taken[token] then
      left[#left + 1] = token
    end
  end
  if #left == 0 then
    redis.call('HDEL', KEYS[1], 'fence')
  else
    redis.call('HSET', KEYS[1], 'fence', table.concat(left, ' '))
  end
end
return version

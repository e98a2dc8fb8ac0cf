// Threefry-2x32 with 20 rounds, as core/src/random.ts has it (Salmon et al., SC 2011).

fn threefry(key: vec2u, counter: vec2u) -> vec2u {
  var rotations = array<u32, 8>(13u, 15u, 26u, 6u, 17u, 29u, 16u, 24u);
  var keys = array<u32, 3>(key.x, key.y, 0x1bd11bdau ^ key.x ^ key.y);
  var x = counter + key;
  for (var round = 0u; round < 20u; round++) {
    let rotation = rotations[round & 7u];
    x.x += x.y;
    x.y = ((x.y << rotation) | (x.y >> (32u - rotation))) ^ x.x;
    if ((round & 3u) == 3u) {
      let injection = (round + 1u) >> 2u;
      x += vec2u(keys[injection % 3u], keys[(injection + 1u) % 3u] + injection);
    }
  }
  return x;
}

// In [0, 1), in steps of 2^-24.
fn uniform_draw(key: vec2u, counter: vec2u) -> f32 {
  return f32(threefry(key, counter).x >> 8u) * 0x1p-24f;
}

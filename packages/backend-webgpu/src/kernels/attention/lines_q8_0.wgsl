// Lines of q8_0 keys and values, blocks of 32 elements in 17 halves: the scale, and 32 bytes, of which four at once.

@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<u32>;

// Which block elements 4c to 4c + 3 of a line are in, and the half that the first two of them are.
fn place_in_blocks(line: u32, c: u32) -> vec2u {
  let block = (line >> 5u) + (c >> 3u);
  return vec2u(block, block * 17u + 1u + (c & 7u) * 2u);
}

// The scale of a block is one half of a word; four bytes begin at a half, so that they lie in one word or in two.
fn four_of(scale_word: u32, block: u32, low: u32, high: u32, half: u32) -> vec4f {
  let scale = halves_to_f32(vec4u((scale_word >> ((block & 1u) * 16u)) & 0xffffu)).x; // 17 is odd
  let bytes = select(low, (low >> 16u) | (high << 16u), (half & 1u) == 1u);
  return scale * vec4f(bitcast<vec4i>(vec4u(bytes) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u));
}

fn keys_at(line: u32, c: u32) -> vec4f {
  let place = place_in_blocks(line, c);
  let word = place.y >> 1u;
  return four_of(keys[(place.x * 17u) >> 1u], place.x, keys[word], keys[word + 1u], place.y);
}

fn values_at(line: u32, c: u32) -> vec4f {
  let place = place_in_blocks(line, c);
  let word = place.y >> 1u;
  return four_of(values[(place.x * 17u) >> 1u], place.x, values[word], values[word + 1u], place.y);
}

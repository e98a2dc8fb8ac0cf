// Elements of query, key and value; keys and values may be q8_0, blocks of 32 in 17 halves.

const Q8_0 = 6u;

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> queries: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<u32>;

fn q8_0_product(scale_word: u32, block: u32, quantum_word: u32, byte: u32) -> f32 {
  let quantum = bitcast<i32>((quantum_word >> ((byte & 3u) * 8u)) << 24u) >> 24u;
  return widen((scale_word >> ((block & 1u) * 16u)) & 0xffffu, F16) * f32(quantum);
}

fn query_at(i: u32) -> f32 {
  return widen(bits_in(queries[word_of(i, QUERY)], i, QUERY), QUERY);
}

fn key_at(i: u32) -> f32 {
  if (KEY != Q8_0) { return widen(bits_in(keys[word_of(i, KEY)], i, KEY), KEY); }
  let block = i >> 5u; // as 17 is odd, it is as even or odd as its first half
  let byte = block * 34u + 2u + (i & 31u);
  return q8_0_product(keys[(block * 17u) >> 1u], block, keys[byte >> 2u], byte);
}

fn value_at(i: u32) -> f32 {
  if (VALUE != Q8_0) { return widen(bits_in(values[word_of(i, VALUE)], i, VALUE), VALUE); }
  let block = i >> 5u;
  let byte = block * 34u + 2u + (i & 31u);
  return q8_0_product(values[(block * 17u) >> 1u], block, values[byte >> 2u], byte);
}

@group(0) @binding(2) var<storage, read> conditions: array<u32>;
@group(0) @binding(3) var<storage, read> a_words: array<u32>;
@group(0) @binding(4) var<storage, read> b_words: array<u32>;

fn produce(i: u32, at: vec4u) -> u32 {
  if (conditions[at.y] != 0u) { return bits_in(a_words[word_of(at.z, X)], at.z, X); }
  return bits_in(b_words[word_of(at.w, X)], at.w, X);
}

@group(0) @binding(2) var<storage, read> gate_words: array<u32>;
@group(0) @binding(3) var<storage, read> up_words: array<u32>;

fn produce(i: u32, at: vec4u) -> u32 {
  let gate = widen(bits_in(gate_words[word_of(at.y, X)], at.y, X), X);
  let up = widen(bits_in(up_words[word_of(at.z, X)], at.z, X), X);
  if (is_nan(gate)) { return narrow(gate, X); }
  return narrow(gate * sigmoid_(gate) * up, X);
}

// mask [B, Hkv, G, T, S]: added; -infinity hides, also a score that is NaN.

@group(0) @binding(MASK_AT) var<storage, read> masks: array<u32>;

fn masked(score: f32, row: Row, s: u32) -> f32 {
  let at = params.mask_at + row.batch * params.mask_b + row.head * params.mask_h + row.group * params.mask_g +
    row.time * params.mask_t + s * params.mask_s;
  let bias = widen(bits_in(masks[word_of(at, MASK)], at, MASK), MASK);
  if (is_hidden(bias)) { return bias; }
  return score + bias;
}

// mask [B, Hkv, G, T, S]: false hides.

@group(0) @binding(MASK_AT) var<storage, read> masks: array<u32>;

fn masked(score: f32, row: Row, s: u32) -> f32 {
  let at = params.mask_at + row.batch * params.mask_b + row.head * params.mask_h + row.group * params.mask_g +
    row.time * params.mask_t + s * params.mask_s;
  return select(score, hidden(), masks[at] == 0u);
}

// Weight i, counted over [B, Hkv, G, T, S], goes where draw i is below p, and the rest grow. The count has 64 bits.

fn dropped_out(weight: f32, row: Row, s: u32) -> f32 {
  let line = ((row.batch * params.heads + row.head) * params.groups + row.group) * params.times + row.time;
  let low = (line & 0xffffu) * (params.keys & 0xffffu);
  let cross = (line >> 16u) * (params.keys & 0xffffu) + (low >> 16u);
  let other = (line & 0xffffu) * (params.keys >> 16u) + (cross & 0xffffu);
  let start = (other << 16u) | (low & 0xffffu);
  let high = (line >> 16u) * (params.keys >> 16u) + (cross >> 16u) + (other >> 16u);
  let counter = vec2u(start + s, high + u32(start + s < start));
  let draw = uniform_draw(vec2u(params.seed0, params.seed1), counter);
  return select(weight / (1.0 - params.dropped), 0.0, draw < params.dropped);
}

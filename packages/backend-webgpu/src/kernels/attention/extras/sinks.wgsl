// sinks [Hkv, G]: one more logit a row, without a value.

@group(0) @binding(SINKS_AT) var<storage, read> sinks: array<u32>;

fn sink_of(row: Row) -> f32 {
  let at = params.sink_at + row.head * params.sink_h + row.group * params.sink_g;
  return widen(bits_in(sinks[word_of(at, SINKS)], at, SINKS), SINKS);
}

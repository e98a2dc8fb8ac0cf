// What the host tells attention: sizes, the steps and first elements (`_at`) of all operands, and the settings. The host
// writes the words in this order: parameters.ts.

struct Params {
  heads: u32, groups: u32, times: u32, keys: u32,
  query_b: u32, query_h: u32, query_g: u32, query_t: u32, query_d: u32, query_at: u32,
  key_b: u32, key_h: u32, key_s: u32, key_d: u32, key_at: u32,
  value_b: u32, value_h: u32, value_s: u32, value_d: u32, value_at: u32,
  mask_b: u32, mask_h: u32, mask_g: u32, mask_t: u32, mask_s: u32, mask_at: u32,
  slope_h: u32, slope_g: u32, slope_at: u32,
  sink_h: u32, sink_g: u32, sink_at: u32,
  length_b: u32, length_at: u32,
  position_s: u32, position_at: u32,
  page_b: u32, page_n: u32, page_at: u32, page_entries: u32, page_tokens: u32, pages: u32,
  kind_b: u32, kind_h: u32, kind_g: u32, kind_t: u32, kind_s: u32, kind_at: u32,
  table_k: u32, table_r: u32, table_c: u32, table_at: u32, table_size: u32,
  scale: f32, softcap: f32,
  offset: i32, left: i32, right: i32, sink_tokens: i32,
  dropped: f32, seed0: u32, seed1: u32,
  tag: u32, parts: u32,
}

// What stands for no end in left, right and sink_tokens.
const ENDLESS = 2147483647;

@group(0) @binding(0) var<uniform> params: Params;

// One query: which batch row, key/value head, head of the group, and time.
struct Row {
  batch: u32,
  head: u32,
  group: u32,
  time: u32,
}

// What stands for a score that does not count: -infinity by its bits.
fn hidden() -> f32 {
  return bitcast<f32>(infinity_bits | 0x80000000u);
}

fn is_hidden(score: f32) -> bool {
  return bitcast<u32>(score) == 0xff800000u;
}

// pageTable i32 [B, N]: key s of a batch row lies in slot s % pageTokens of page pageTable[b, s / pageTokens].

@group(0) @binding(PAGES_AT) var<storage, read> page_table: array<i32>;

// The page, or batch row, and the slot in it.
fn slot_of(batch: u32, s: u32) -> vec2u {
  let n = s / params.page_tokens;
  var page = -1;
  if (n < params.page_entries) { page = page_table[params.page_at + batch * params.page_b + n * params.page_n]; }
  if (!in_range(page, params.pages, params.tag)) { page = 0; }
  return vec2u(u32(page), s % params.page_tokens);
}

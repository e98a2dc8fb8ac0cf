// keyLengths i32 [B].

@group(0) @binding(LENGTHS_AT) var<storage, read> lengths: array<i32>;

fn key_length(batch: u32) -> i32 {
  return lengths[params.length_at + batch * params.length_b];
}

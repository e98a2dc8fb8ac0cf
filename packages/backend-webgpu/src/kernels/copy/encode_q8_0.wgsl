// Rounds 32 elements to a q8_0 block as GGML's reference does: d = max |x| / 127, q = x / d, halves away from zero. See
// core/src/quant/q8_0.ts. A block has 17 halves and shares a word with its neighbour, so halves are stored one by one.

@group(0) @binding(1) var<storage, read_write> out: array<atomic<u32>>;

fn store_half(i: u32, bits: u32) {
  let shift = (i & 1u) * 16u;
  atomicAnd(&out[i >> 1u], ~(0xffffu << shift));
  atomicOr(&out[i >> 1u], bits << shift);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= params.numel) { return; }
  let at = places(i);
  let step = params.attrs.x;
  var farthest = 0.0;
  for (var j = 0u; j < 32u; j++) { farthest = max(farthest, abs(element(at.y + j * step))); }
  let d = farthest / 127.0;
  var scale = 0.0;
  if (d != 0.0) { scale = 1.0 / d; }
  let block = (at.x >> 5u) * 17u;
  store_half(block, narrow(d, F16));
  for (var j = 0u; j < 16u; j++) {
    let low = u32(quantise(element(at.y + 2u * j * step), scale)) & 255u;
    let high = u32(quantise(element(at.y + (2u * j + 1u) * step), scale)) & 255u;
    store_half(block + 1u + j, low | (high << 8u));
  }
}

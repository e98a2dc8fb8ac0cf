// Rounds BLOCK elements of a row of the left operand to int8, an invocation a block: d = max |x| / 127, q = x / d. A block is
// 2 + BLOCK / 4 words: d, d times the sum of its q, and its q, four a word. One with an infinity or NaN has NaN for
// d, and so have all products with it; one below 2^-119, whose d would be below 2^-126 (subnormal, and so 0 on some
// devices), is all zeros.
// attrs.x: the step along K.

const TINIEST = 0x04000000u; // the bits of 2^-119

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

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
  var farthest = 0u; // as bits, whose order is that of the magnitudes, and NaN is above all
  for (var j = 0u; j < BLOCK; j++) { farthest = max(farthest, bitcast<u32>(left(at.y + j * step)) & 0x7fffffffu); }
  let finite = farthest < 0x7f800000u;
  var d = 0.0;
  var scale = 0.0;
  if (finite && farthest >= TINIEST) {
    d = bitcast<f32>(farthest) / 127.0;
    scale = 1.0 / d;
  }
  var sum = 0;
  for (var word = 0u; word < BLOCK / 4u; word++) {
    var bytes = 0u;
    for (var j = 0u; j < 4u; j++) {
      let q = quantise(left(at.y + (4u * word + j) * step), scale);
      sum += q;
      bytes |= (u32(q) & 255u) << (8u * j);
    }
    out[at.x + 2u + word] = bytes;
  }
  out[at.x] = select(nan_bits, bitcast<u32>(d), finite);
  out[at.x + 1u] = bitcast<u32>(d * f32(sum));
}

// A workgroup makes one row. attrs.x: x's step along it.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x_words: array<u32>;

var<workgroup> orders: array<u32, 64>;
var<workgroup> sums: array<f32, 64>;

fn x_bits(i: u32) -> u32 {
  return widen_bits(bits_in(x_words[word_of(i, X)], i, X), X);
}

// The largest element as an integer in the order of the numbers: NaN is above all, and no constant is needed for -infinity.
fn largest(first: u32, lane: u32) -> u32 {
  var order = 0u;
  for (var j = lane; j < params.length; j += 64u) { order = max(order, float_order(x_bits(first + j * params.attrs.x))); }
  orders[lane] = order;
  for (var apart = 32u; apart > 0u; apart >>= 1u) {
    workgroupBarrier();
    if (lane < apart) { orders[lane] = max(orders[lane], orders[lane + apart]); }
  }
  workgroupBarrier();
  return orders[0];
}

fn number_of(order: u32) -> f32 {
  if (order >= 0x80000000u) { return bitcast<f32>(order - 0x80000000u); }
  return bitcast<f32>(0x80000000u | (0x80000000u - order));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * grid.x + group.x;
  if (row >= params.numel) { return; }
  let at = places(row);
  let order = largest(at.y, lane);
  let finite = order > 0x00800000u && order < 0xff800000u;
  let maximum = number_of(order);
  var sum = 0.0;
  for (var j = lane; j < params.length; j += 64u) {
    sum += exp_(bitcast<f32>(x_bits(at.y + j * params.attrs.x)) - maximum);
  }
  sums[lane] = sum;
  for (var apart = 32u; apart > 0u; apart >>= 1u) {
    workgroupBarrier();
    if (lane < apart) { sums[lane] += sums[lane + apart]; }
  }
  workgroupBarrier();
  let total = sums[0];
  for (var j = lane; j < params.length; j += 64u) {
    var share = nan();
    if (finite) { share = exp_(bitcast<f32>(x_bits(at.y + j * params.attrs.x)) - maximum) / total; }
    out[at.x + j] = bitcast<u32>(share);
  }
}

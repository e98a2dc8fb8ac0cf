// A workgroup makes one row. attrs: the steps of x and weight along it, weight's first element, eps.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x_words: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;

alias Folded = f32;

fn x_at(i: u32) -> f32 {
  return widen(bits_in(x_words[word_of(i, X)], i, X), X);
}

fn weight_at(i: u32) -> f32 {
  return widen(bits_in(weights[word_of(i, WEIGHT)], i, WEIGHT), WEIGHT);
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * grid.x + group.x;
  if (row >= params.numel) { return; }
  let at = places(row);
  var squares = 0.0;
  for (var j = lane; j < params.length; j += LANES) {
    let x = x_at(at.y + j * params.attrs.x);
    squares += x * x;
  }
  let sum = fold_workgroup(lane, squares);
  let scale = 1.0 / sqrt(sum / f32(params.length) + bitcast<f32>(params.attrs.w));
  for (var j = lane; j < params.length; j += LANES) {
    let x = x_at(at.y + j * params.attrs.x);
    out[at.x + j] = bitcast<u32>(x * scale * weight_at(params.attrs.z + j * params.attrs.y));
  }
}

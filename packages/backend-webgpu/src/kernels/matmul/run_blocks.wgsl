// A run of K is 32 elements of a block: a scale is read for every 16.

const RUN = 32u;

fn run_dots(b: u32, a: u32, k: u32) -> vec4f {
  var sums = vec4f();
  for (var half = 0u; half < 32u; half += 16u) {
    let scale = block_scale(b + half);
    for (var j = half; j < half + 16u; j += 4u) {
      sums += left_dots(scale.x * block_quad(b + j) + scale.y, a, k + j);
    }
  }
  return sums;
}

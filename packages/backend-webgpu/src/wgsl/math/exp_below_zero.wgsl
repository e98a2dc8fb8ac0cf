// e^x for x <= 0, four at once and without branches, for softmax and attention: below -87.3, where results would leave the
// normal numbers, it is 0. The polynomial is that of exp.wgsl (Cephes expf); error below 2 units in the last place.

fn exp_below_zero(x: vec4f) -> vec4f {
  let n = floor(x * 1.44269504 + 0.5);
  let r = (x - n * 0.693359375) + n * 2.12194440e-4;
  var p = r * 1.9875691500e-4 + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  let scaled = bitcast<vec4f>(bitcast<vec4u>((p * r) * r + r + 1.0) + (bitcast<vec4u>(vec4i(n)) << vec4u(23u)));
  return select(scaled, vec4f(), x < vec4f(-87.3));
}

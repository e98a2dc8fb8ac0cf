// What is known of the elements seen so far: their maximum, the sum of e^(x - maximum), and whether one of them was NaN or
// infinity, which makes the row NaN. It begins with the lowest number, so that maxima are always finite.
struct Running {
  maximum: f32,
  sum: f32,
  spoilt: bool,
}

const LOWEST = -0x1.fffffep+127f;

alias Folded = Running;

fn start() -> Running {
  return Running(LOWEST, 0.0, false);
}

fn largest(x: vec4f) -> f32 {
  return max(max(x.x, x.y), max(x.z, x.w));
}

fn sum_of(x: vec4f) -> f32 {
  return (x.x + x.y) + (x.z + x.w);
}

fn is_spoilt(x: vec4f) -> bool {
  let bits = bitcast<vec4u>(x);
  return any(((bits & vec4u(0x7fffffffu)) >= vec4u(0x7f800000u)) & (bits != vec4u(0xff800000u)));
}

// Takes sixteen elements at once, so that the sum is scaled once for them.
fn take(running: Running, a: vec4f, b: vec4f, c: vec4f, d: vec4f) -> Running {
  let maximum = max(running.maximum, largest(max(max(a, b), max(c, d))));
  let weights = (weight(a, maximum) + weight(b, maximum)) + (weight(c, maximum) + weight(d, maximum));
  let spoilt = running.spoilt || is_spoilt(a) || is_spoilt(b) || is_spoilt(c) || is_spoilt(d);
  return Running(maximum, running.sum * factor(running, maximum) + sum_of(weights), spoilt);
}

fn merge(a: Running, b: Running) -> Running {
  let maximum = max(a.maximum, b.maximum);
  return Running(maximum, a.sum * factor(a, maximum) + b.sum * factor(b, maximum), a.spoilt || b.spoilt);
}

fn factor(running: Running, maximum: f32) -> f32 {
  return exp_below_zero(vec4f(running.maximum - maximum)).x;
}

// -infinity, which stands beyond the row's end too, weighs nothing.
fn weight(x: vec4f, maximum: f32) -> vec4f {
  return select(exp_below_zero(x - maximum), vec4f(), bitcast<vec4u>(x) == vec4u(0xff800000u));
}

// The factor of the weights: a row without a finite element is NaN.
fn share_of(running: Running) -> f32 {
  if (running.spoilt || running.sum == 0.0) { return nan(); }
  return 1.0 / running.sum;
}

// The bits of four results.
fn result(x: vec4f, maximum: f32, share: f32) -> vec4u {
  let shares = bitcast<vec4u>(weight(x, maximum) * share);
  return select(shares, vec4u(nan_bits), is_nan(share));
}

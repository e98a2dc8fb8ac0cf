// The error function, in two ranges: a polynomial around 0, and 1 - e^p(|x|) beyond. Errors below 2 units in the last
// place. Coefficients: N. Juffa, minimax approximations of erff (2019).

fn erf_(x: f32) -> f32 {
  let t = abs(x);
  let s = x * x;
  if (t <= 0.921875) {
    var p = -5.96761703e-4;
    p = p * s + 4.99119423e-3;
    p = p * s - 2.67681349e-2;
    p = p * s + 1.12819925e-1;
    p = p * s - 3.76125336e-1;
    p = p * s + 1.28379166e-1;
    return p * x + x;
  }
  if (t > 4.0) { return with_sign_of(1.0, x); }
  var p = -1.72853470e-5 * t + 3.83197126e-4;
  let q = -3.88396438e-3 * t + 2.42546219e-2;
  p = p * s + q;
  p = p * t - 1.06777877e-1;
  p = p * t - 6.34846687e-1;
  p = p * t - 1.28717512e-1;
  p = p * t - t;
  return with_sign_of(1.0 - exp_(p), x);
}

fn gelu_(x: f32) -> f32 {
  return 0.5 * x * (1.0 + erf_(x * 0.707106781));
}

// (1 + tanh(u)) / 2 = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3)
fn gelu_tanh_(x: f32) -> f32 {
  return x * sigmoid_(1.59576912 * (x + 0.044715 * x * x * x));
}

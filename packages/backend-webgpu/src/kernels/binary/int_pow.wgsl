// By squaring, modulo 2^32; a negative power is the truncated fraction, 0 for any base but 1 and -1.

fn pow_(a: i32, b: i32) -> i32 {
  if (b < 0) {
    if (a == 1) { return 1; }
    if (a != -1) { return 0; }
    return select(-1, 1, (b & 1) == 0);
  }
  var power = a;
  var result = 1;
  for (var rest = b; rest > 0; rest >>= 1u) {
    if ((rest & 1) == 1) { result *= power; }
    power *= power;
  }
  return result;
}

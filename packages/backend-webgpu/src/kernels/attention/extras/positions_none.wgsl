const KEYS_IN_ORDER = true;

fn key_position(s: u32) -> i32 {
  return i32(s);
}

fn key_length(batch: u32) -> i32 {
  return i32(params.keys);
}

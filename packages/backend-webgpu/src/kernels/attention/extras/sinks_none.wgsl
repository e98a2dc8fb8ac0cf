fn sink_of(row: Row) -> f32 {
  return hidden();
}

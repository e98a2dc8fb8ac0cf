fn store_log_sum(line: u32, value: f32) {
}

@group(0) @binding(LOG_SUM_AT) var<storage, read_write> log_sums: array<u32>;

fn store_log_sum(line: u32, value: f32) {
  log_sums[line] = bitcast<u32>(value);
}

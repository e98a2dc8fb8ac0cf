// Indices out of range are counted, and the first is kept with the tag of its dispatch: index_faults.ts reads them.

@group(0) @binding(STATUS) var<storage, read_write> index_status: array<atomic<u32>, 4>;

fn in_range(index: i32, size: u32, tag: u32) -> bool {
  if (index >= 0 && u32(index) < size) { return true; }
  if (atomicAdd(&index_status[0], 1u) == 0u) {
    atomicStore(&index_status[1], tag);
    atomicStore(&index_status[2], bitcast<u32>(index));
  }
  return false;
}

// word[attrs.x] = the bits of attrs.z where attrs.y has ones, else what it was.

@group(0) @binding(1) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(1)
fn main() {
  let at = params.attrs.x;
  words[at] = (words[at] & ~params.attrs.y) | params.attrs.z;
}

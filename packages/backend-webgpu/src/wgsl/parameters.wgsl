// What the host tells a kernel, and the way from an element's number to where it lies. The host's side: parameters.ts.

struct Params {
  shape: array<vec4u, 2>,
  strides: array<vec4u, 8>, // by dim, of out, x, y, z
  offsets: vec4u,           // of out, x, y, z
  rank: u32,
  outer: u32,               // dims before a row's
  numel: u32,               // elements, or rows
  length: u32,              // elements of a row
  attrs: vec4u,
  more: vec4u,
  extra: vec4u,
}

@group(0) @binding(0) var<uniform> params: Params;

// Steps of out, x, y, z to element i, in row-major order, of dims `first` to `end`; 0 where there are none.
fn walk(i: u32, first: u32, end: u32) -> vec4u {
  var rest = i;
  var at = vec4u();
  for (var d = end; d > first + 1u; d--) {
    let size = params.shape[(d - 1u) >> 2u][(d - 1u) & 3u];
    let next = rest / size;
    at += (rest - next * size) * params.strides[d - 1u];
    rest = next;
  }
  if (end > first) { at += rest * params.strides[first]; }
  return at;
}

// Where element i lies in out, x, y, z.
fn places(i: u32) -> vec4u {
  return params.offsets + walk(i, 0u, params.rank);
}

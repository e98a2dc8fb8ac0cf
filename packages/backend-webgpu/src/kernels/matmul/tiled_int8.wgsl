// A workgroup computes TILE_M x TILE_N elements, an invocation 4 ROW_BLOCKS x 4 of them, from int8 on both sides. DEPTH elements
// of K at a time go through workgroup memory, four a word; products are summed in i32 a block at a time:
//
//     out += d_b d_a Σ q_b q_a + m_b (d_a Σ q_a)
//
// where an element of the right operand is d_b q_b + m_b. The left one lies as quantise_rows.wgsl writes it, `more.x` words
// from row to row. Depths are whole: a row of blocks is.

const DEPTH = 32u;
const WORDS = DEPTH / 4u;
const BLOCKS = DEPTH / BLOCK;
const BLOCK_WORDS = BLOCK / 4u;
const M_QUADS = TILE_M / 4u;
const N_QUADS = TILE_N / 4u;
const THREADS = N_QUADS * M_QUADS / ROW_BLOCKS;

@group(0) @binding(2) var<storage, read> a_words: array<u32>;

var<workgroup> a_tile: array<vec4u, WORDS * M_QUADS>; // [WORDS][TILE_M], as the others are
var<workgroup> b_tile: array<vec4u, WORDS * N_QUADS>;
var<workgroup> a_scales: array<vec4f, BLOCKS * M_QUADS>; // d_a
var<workgroup> a_sums: array<vec4f, BLOCKS * M_QUADS>; // d_a Σ q_a
var<workgroup> b_scales: array<vec4f, BLOCKS * N_QUADS>; // d_b
var<workgroup> b_offsets: array<vec4f, BLOCKS * N_QUADS>; // m_b

// Where four rows, or columns, begin; those beyond the last repeat it, and nobody stores what comes of them.
fn starts(at: u32, first: u32, size: u32, step: u32) -> vec4u {
  return at + min(first + vec4u(0u, 1u, 2u, 3u), vec4u(size - 1u)) * step;
}

fn load_left(at: u32, row: u32, depth: u32, lane: u32) {
  let first_block = depth / BLOCK;
  for (var e = lane; e < M_QUADS * WORDS; e += THREADS) {
    let quad = e / WORDS;
    let word = e % WORDS;
    let block = first_block + word / BLOCK_WORDS;
    let place = starts(at, row + 4u * quad, params.attrs.x, params.more.x) + block * (2u + BLOCK_WORDS) + 2u +
      word % BLOCK_WORDS;
    a_tile[word * M_QUADS + quad] = vec4u(a_words[place.x], a_words[place.y], a_words[place.z], a_words[place.w]);
  }
  for (var e = lane; e < M_QUADS * BLOCKS; e += THREADS) {
    let quad = e / BLOCKS;
    let block = e % BLOCKS;
    let place = starts(at, row + 4u * quad, params.attrs.x, params.more.x) +
      (first_block + block) * (2u + BLOCK_WORDS);
    let scales = vec4u(a_words[place.x], a_words[place.y], a_words[place.z], a_words[place.w]);
    let sums = vec4u(a_words[place.x + 1u], a_words[place.y + 1u], a_words[place.z + 1u], a_words[place.w + 1u]);
    a_scales[block * M_QUADS + quad] = bitcast<vec4f>(scales);
    a_sums[block * M_QUADS + quad] = bitcast<vec4f>(sums);
  }
}

fn load_right(at: u32, column: u32, depth: u32, lane: u32) {
  for (var e = lane; e < N_QUADS * WORDS; e += THREADS) {
    let quad = e / WORDS;
    let word = e % WORDS;
    let place = starts(at, column + 4u * quad, params.attrs.y, params.more.w) + depth + 4u * word;
    b_tile[word * N_QUADS + quad] = vec4u(
      block_word(place.x),
      block_word(place.y),
      block_word(place.z),
      block_word(place.w),
    );
  }
  for (var e = lane; e < N_QUADS * BLOCKS; e += THREADS) {
    let quad = e / BLOCKS;
    let block = e % BLOCKS;
    let place = starts(at, column + 4u * quad, params.attrs.y, params.more.w) + depth + BLOCK * block;
    let scales = mat4x2f(block_scale(place.x), block_scale(place.y), block_scale(place.z), block_scale(place.w));
    let apart = transpose(scales);
    b_scales[block * N_QUADS + quad] = apart[0];
    b_offsets[block * N_QUADS + quad] = apart[1];
  }
}

// Four products of four pairs each: those of one row with four columns.
fn dots_of(a: u32, b: vec4u) -> vec4i {
  return vec4i(dot4I8Packed(a, b.x), dot4I8Packed(a, b.y), dot4I8Packed(a, b.z), dot4I8Packed(a, b.w));
}

fn compute_tile(at: vec4u, row: u32, column: u32, lane: u32) {
  let x = lane % N_QUADS;
  let y = lane / N_QUADS * ROW_BLOCKS;
  var sums = array<mat4x4f, ROW_BLOCKS>();
  for (var depth = 0u; depth < params.attrs.z; depth += DEPTH) {
    load_left(at.y, row, depth, lane);
    load_right(at.z, column, depth, lane);
    workgroupBarrier();
    for (var block = 0u; block < BLOCKS; block++) {
      var dots = array<array<vec4i, 4>, ROW_BLOCKS>();
      for (var word = block * BLOCK_WORDS; word < (block + 1u) * BLOCK_WORDS; word++) {
        let b = b_tile[word * N_QUADS + x];
        for (var i = 0u; i < ROW_BLOCKS; i++) {
          let a = a_tile[word * M_QUADS + y + i];
          dots[i][0] += dots_of(a.x, b);
          dots[i][1] += dots_of(a.y, b);
          dots[i][2] += dots_of(a.z, b);
          dots[i][3] += dots_of(a.w, b);
        }
      }
      let d = b_scales[block * N_QUADS + x];
      let m = b_offsets[block * N_QUADS + x];
      for (var i = 0u; i < ROW_BLOCKS; i++) {
        let scale = a_scales[block * M_QUADS + y + i];
        let sum = a_sums[block * M_QUADS + y + i];
        sums[i] += mat4x4f(
          scale.x * d * vec4f(dots[i][0]) + sum.x * m,
          scale.y * d * vec4f(dots[i][1]) + sum.y * m,
          scale.z * d * vec4f(dots[i][2]) + sum.z * m,
          scale.w * d * vec4f(dots[i][3]) + sum.w * m,
        );
      }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < ROW_BLOCKS; i++) { store_block(at.x, row + 4u * (y + i), column + 4u * x, sums[i]); }
}

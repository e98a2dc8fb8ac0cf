// Element i has counter start + (i / run) * step + i % run, in 64 bits: attrs are the seed and start, more are run and step.

/** All 64 bits of a product, low word first. */
fn wide_product(a: u32, b: u32) -> vec2u {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let cross = (a >> 16u) * (b & 0xffffu);
  let middle = (a & 0xffffu) * (b >> 16u) + (low >> 16u);
  let carried = middle + cross;
  let high = (a >> 16u) * (b >> 16u) + (carried >> 16u) + select(0u, 0x10000u, carried < cross);
  return vec2u((carried << 16u) | (low & 0xffffu), high);
}

fn wide_sum(a: vec2u, b: vec2u) -> vec2u {
  let low = a.x + b.x;
  return vec2u(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn produce(i: u32, at: vec4u) -> u32 {
  let seed = params.attrs.xy;
  let start = params.attrs.zw;
  let run = params.more.x;
  let step = params.more.yz;
  let row = i / run;
  var skipped = wide_product(row, step.x);
  skipped.y += row * step.y;
  let counter = wide_sum(wide_sum(start, skipped), vec2u(i % run, 0u));
  return bitcast<u32>(uniform_draw(seed, counter));
}

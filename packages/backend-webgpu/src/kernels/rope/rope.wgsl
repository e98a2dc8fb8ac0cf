// attrs: D, R / 2, whether pairs are interleaved, x's step along D; more: the steps of cos and sin along R / 2.

@group(0) @binding(2) var<storage, read> x_words: array<u32>;
@group(0) @binding(3) var<storage, read> cosines: array<u32>;
@group(0) @binding(4) var<storage, read> sines: array<u32>;

fn x_at(i: u32) -> f32 {
  return widen(bits_in(x_words[word_of(i, X)], i, X), X);
}

fn produce(i: u32, at: vec4u) -> u32 {
  let d = i % params.attrs.x;
  let pairs = params.attrs.y;
  let step = params.attrs.w;
  let own = x_at(at.y + d * step);
  if (d >= 2u * pairs) { return narrow(own, X); }
  var pair = d;
  var second = d >= pairs;
  var partner = d + pairs;
  if (second) {
    pair -= pairs;
    partner = pair;
  }
  if (params.attrs.z != 0u) {
    pair = d >> 1u;
    second = (d & 1u) == 1u;
    partner = d ^ 1u;
  }
  let cosine_at = at.z + pair * params.more.x;
  let sine_at = at.w + pair * params.more.y;
  let cosine = widen(bits_in(cosines[word_of(cosine_at, ANGLE)], cosine_at, ANGLE), ANGLE);
  let sine = widen(bits_in(sines[word_of(sine_at, ANGLE)], sine_at, ANGLE), ANGLE);
  let other = x_at(at.y + partner * step);
  return narrow(own * cosine + select(-other, other, second) * sine, X);
}

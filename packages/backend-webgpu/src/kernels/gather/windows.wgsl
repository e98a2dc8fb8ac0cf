// x in four windows of as many words; where it has fewer, the last one again.

@group(0) @binding(2) var<storage, read> x_words_0: array<u32>;
@group(0) @binding(5) var<storage, read> x_words_1: array<u32>;
@group(0) @binding(6) var<storage, read> x_words_2: array<u32>;
@group(0) @binding(7) var<storage, read> x_words_3: array<u32>;

fn word_at(i: u32) -> u32 {
  let window = i / params.attrs.w;
  let word = i - window * params.attrs.w;
  switch (window) {
    case 0u: { return x_words_0[word]; }
    case 1u: { return x_words_1[word]; }
    case 2u: { return x_words_2[word]; }
    default: { return x_words_3[word]; }
  }
}

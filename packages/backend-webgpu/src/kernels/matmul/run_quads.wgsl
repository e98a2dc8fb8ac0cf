// A run of K is four elements.

const RUN = 4u;

fn run_dots(b: u32, a: u32, k: u32) -> vec4f {
  return left_dots(right_quad(b), a, k);
}

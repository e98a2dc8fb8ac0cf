/** Matrix products of all ranks, one sum of products at a time. */
import { at, broadcast, type Dense, generate } from "./dense.ts";

/** `a · b` by PyTorch's rules: vectors get a dim that the result loses, the rest broadcasts. */
export function matmul(a: Dense, b: Dense): Dense {
  const left = a.shape.length === 1 ? { ...a, shape: [1, ...a.shape] } : a;
  const right = b.shape.length === 1 ? { ...b, shape: [...b.shape, 1] } : b;
  const [rows, inner, columns] = [left.shape.at(-2)!, left.shape.at(-1)!, right.shape.at(-1)!];
  const batch = broadcast(left.shape.slice(0, -2), right.shape.slice(0, -2), []);
  const product = generate([...batch, rows, columns], (index) => {
    const outer = index.slice(0, -2);
    let sum = 0;
    for (let k = 0; k < inner; k++) {
      sum += at(left, [...outer, index.at(-2)!, k]) * at(right, [...outer, k, index.at(-1)!]);
    }
    return sum;
  });
  const shape = [...batch, ...(a.shape.length === 1 ? [] : [rows]), ...(b.shape.length === 1 ? [] : [columns])];
  return { shape, data: product.data };
}

import { assert, assertEquals } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { randn, tensor } from "../../core/mod.ts";
import { softwareBackend } from "./software_backend.ts";

Deno.test("softmax keeps to f32's last places, whole fours or not, wherever rows begin", async () => {
  using backend = await softwareBackend();
  const scalar = createScalarBackend();
  for (
    const [rows, length, skipped] of [[3, 1024, 0], [5, 64, 1], [4, 37, 0], [2, 4100, 4], [70, 8, 0], [
      1,
      1,
      0,
    ]] as const
  ) {
    using all = randn([rows + 1, length + skipped], { seed: length, backend: scalar });
    using spread = all.mul(4);
    using there = await spread.to(backend);
    using x = there.narrow(0, 1, rows).narrow(1, skipped, length);
    using want = spread.to("f64").narrow(0, 1, rows).narrow(1, skipped, length).softmax(-1);
    using got = x.softmax(-1);
    const [ours, theirs] = [await got.data(), await want.data()];
    ours.forEach((share, i) => {
      const error = Math.abs(Number(share) / Number(theirs[i]) - 1);
      assert(error < 2e-6, `[${rows}, ${length}], seed ${length}: element ${i} is ${share}, want ${theirs[i]}`);
    });
  }
});

Deno.test("softmax of rows with infinities and NaN", async () => {
  using backend = await softwareBackend();
  const [inf, nan] = [Infinity, NaN];
  using x = tensor(
    [[1, -inf, 1, -inf], [1, inf, 1, 1], [-inf, -inf, -inf, -inf], [0, nan, 0, 0], [-3e38, 3e38, 0, 0]],
    {
      backend,
    },
  );
  using y = x.softmax(-1);
  const row = [nan, nan, nan, nan];
  assertEquals(await y.toArray(), [[0.5, 0, 0.5, 0], row, row, row, [0, 1, 0, 0]]);
});

import { assertEquals, assertRejects } from "@std/assert";
import {
  bytesSource,
  openGguf,
  openSafetensors,
  type TensorData,
  writeSafetensors,
} from "../../../packages/heed/mod.ts";
import { checkWeights } from "../src/check_weights.ts";
import { ModelError } from "../src/errors.ts";
import { tinyGguf } from "./tiny_gguf.ts";

async function checkTiny(spoil?: (name: string, data: Uint8Array) => void): Promise<void> {
  await checkWeights(await openGguf(bytesSource(tinyGguf(spoil ? { spoil } : {}), "tiny.gguf")));
}

async function checkTensor(tensor: TensorData): Promise<void> {
  const bytes = await new Response(writeSafetensors(new Map([["a", tensor]]))).bytes();
  await checkWeights(await openSafetensors(bytesSource(bytes, "a.safetensors")));
}

const bytesOf = (array: Float32Array | Float64Array | Uint16Array): Uint8Array => new Uint8Array(array.buffer);

Deno.test("finite weights pass, and progress counts all bytes", async () => {
  const seen: (number | undefined)[] = [];
  const file = await openGguf(bytesSource(tinyGguf(), "tiny.gguf"));
  await checkWeights(file, (done, total) => seen.push(done, total));
  assertEquals(seen.slice(-2), [19_328, 19_328]);
});

Deno.test("the first weight that is not finite is named, in every dtype", async () => {
  await assertRejects(
    () => checkTensor({ dtype: "f32", shape: [2, 3], bytes: bytesOf(new Float32Array([1, 2, 3, 4, -Infinity, NaN])) }),
    ModelError,
    'Cannot use a.safetensors: tensor "a" is infinity at [1, 1]',
  );
  await assertRejects(
    () => checkTensor({ dtype: "f64", shape: [2], bytes: bytesOf(new Float64Array([1e300, NaN])) }),
    ModelError,
    'tensor "a" is NaN at [1]',
  );
  await assertRejects(
    () => checkTensor({ dtype: "f16", shape: [3], bytes: bytesOf(new Uint16Array([0x7bff, 0xfc00, 0x7e00])) }),
    ModelError,
    'tensor "a" is infinity at [1]',
  );
  await assertRejects(
    () => checkTensor({ dtype: "bf16", shape: [], bytes: bytesOf(new Uint16Array([0x7f81])) }),
    ModelError,
    'tensor "a" is NaN at []',
  );
});

Deno.test("the largest finite numbers pass", async () => {
  await checkTensor({ dtype: "f32", shape: [1], bytes: bytesOf(new Float32Array([-3.4028234663852886e38])) });
  await checkTensor({ dtype: "f64", shape: [1], bytes: bytesOf(new Float64Array([-Number.MAX_VALUE])) });
  await checkTensor({ dtype: "f16", shape: [1], bytes: bytesOf(new Uint16Array([0xfbff])) });
  await checkTensor({ dtype: "bf16", shape: [1], bytes: bytesOf(new Uint16Array([0xff7f])) });
});

Deno.test("a block whose scale is NaN names the block's first element", async () => {
  const spoil = (name: string, data: Uint8Array): void => {
    if (name === "blk.1.attn_v.weight") data.set([0x00, 0x7e], 5 * 34); // the sixth block: row 2, column 32
  };
  const message = 'Cannot use tiny.gguf: tensor "blk.1.attn_v.weight" is NaN at [2, 32]';
  await assertRejects(() => checkTiny(spoil), ModelError, message);
});

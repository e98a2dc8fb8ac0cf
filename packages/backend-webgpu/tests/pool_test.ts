/** What the pool keeps of freed memory, and what goes back to the device. */
import { assertEquals } from "@std/assert";
import { Faults } from "../src/faults.ts";
import { MemoryPool } from "../src/pool.ts";
import { anyAdapter } from "./software_backend.ts";

const MIB = 2 ** 20;

/** A pool on a device of its own; `take` places so many MiB, where recorded work of no batch uses them. */
async function testPool() {
  const device = await (await anyAdapter()).requestDevice();
  const recording = { batch: 1, flush: () => {} };
  const pool = new MemoryPool(device, new Faults(device, recording), recording);
  const take = (mib: number) => {
    const buffer = pool.allocate("f32", mib * MIB / 4);
    pool.forKernel(buffer);
    return buffer;
  };
  return { pool, take, [Symbol.dispose]: () => device.destroy() };
}

Deno.test("free memory is kept up to 256 MiB", async () => {
  using test = await testPool();
  const { pool, take } = test;
  const buffers = [64, 64, 64, 64, 64].map(take);
  for (const buffer of buffers) pool.free(buffer);
  assertEquals(pool.deviceBytes, 256 * MIB);
  for (const size of [64, 64, 64, 64]) take(size);
  assertEquals([pool.created, pool.deviceBytes], [5, 256 * MIB]);
});

Deno.test("memory that nobody wanted for 1024 batches goes back, and what was wanted stays", async () => {
  using test = await testPool();
  const { pool, take } = test;
  pool.free(take(32));
  for (let batch = 2; batch <= 2048; batch++) {
    pool.free(take(8));
    pool.submitted(batch, true);
    if (batch === 1024) assertEquals(pool.deviceBytes, 40 * MIB);
  }
  assertEquals([pool.created, pool.deviceBytes], [2, 8 * MIB]);
  take(32);
  assertEquals([pool.created, pool.deviceBytes], [3, 40 * MIB]);
  for (let batch = 2049; batch <= 8192; batch++) pool.submitted(batch, false); // nothing was done in all that time
  assertEquals(pool.deviceBytes, 40 * MIB);
});

Deno.test("what recorded work uses goes back when that is submitted", async () => {
  using test = await testPool();
  const { pool, take } = test;
  const buffer = take(8);
  pool.forKernel(buffer).lastBatch = 1;
  pool.free(buffer);
  pool.clear();
  assertEquals(pool.deviceBytes, 8 * MIB);
  pool.submitted(2, true);
  assertEquals(pool.deviceBytes, 0);
});

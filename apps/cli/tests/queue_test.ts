import { assertEquals, assertRejects } from "@std/assert";
import { Queue } from "../src/serve/queue.ts";

const NEVER = new AbortController().signal;

Deno.test("turns are taken one at a time, in the order of coming", async () => {
  const queue = new Queue(3);
  const order: string[] = [];
  const use = async (name: string): Promise<void> => {
    using _turn = await queue.enter(NEVER);
    order.push(`${name} in`);
    await Promise.resolve();
    order.push(`${name} out`);
  };
  await Promise.all(["a", "b", "c"].map(use));
  assertEquals(order, ["a in", "a out", "b in", "b out", "c in", "c out"]);
  assertEquals(queue.waiting, 0);
});

Deno.test("so many wait, and who leaves makes room", async () => {
  const queue = new Queue(1);
  const first = await queue.enter(NEVER);
  const leaving = new AbortController();
  const second = queue.enter(leaving.signal)!;
  assertEquals([queue.waiting, queue.enter(NEVER)], [1, undefined]);
  leaving.abort(new Error("gone"));
  await assertRejects(() => second, Error, "gone");
  await assertRejects(() => queue.enter(leaving.signal)!, Error, "gone");
  const third = queue.enter(NEVER)!;
  first![Symbol.dispose]();
  first![Symbol.dispose](); // a turn ends once
  (await third)[Symbol.dispose]();
  assertEquals(new Queue(0).enter(NEVER) === undefined, false);
});

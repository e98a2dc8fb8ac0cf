import { assert, assertEquals } from "@std/assert";
import { Heap, sizeClass } from "../src/heap.ts";
import { LinearMemory, PAGE_BYTES } from "../src/linear_memory.ts";
import { draws } from "./draws.ts";

function makeHeap(maximum: number): { heap: Heap; memory: LinearMemory } {
  const memory = new LinearMemory(new WebAssembly.Memory({ initial: 1, maximum }));
  return { heap: new Heap(memory), memory };
}

Deno.test("size classes hold what was asked for, and little more", () => {
  for (const bytes of [0, 1, 63, 64, 65, 511, 513, 1000, 4097, 2 ** 20 + 1, 2 ** 31 + 1]) {
    const size = sizeClass(bytes);
    assert(size >= bytes && size % 64 === 0, `${bytes}: ${size}`);
    assert(size <= Math.max(bytes * 1.125, bytes + 64), `${bytes}: ${size}`);
    assertEquals(sizeClass(size), size, "a class is its own");
  }
});

Deno.test("rooms are aligned, within memory, and never overlap", () => {
  for (const seed of [1, 2, 3]) {
    const random = draws(seed);
    const { heap, memory } = makeHeap(1024);
    const live: { at: number; bytes: number }[] = [];
    for (let step = 0; step < 2000; step++) {
      if (live.length > 0 && random() < 0.48) {
        const [gone] = live.splice(Math.floor(random() * live.length), 1);
        heap.free(gone!.at, gone!.bytes);
        continue;
      }
      const bytes = Math.floor(random() < 0.05 ? random() * 2 ** 23 : random() ** 4 * 2 ** 17);
      const at = heap.allocate(bytes);
      if (at === undefined) continue; // full: the rest must still hold
      const told = `seed ${seed}, step ${step}: ${bytes} bytes at ${at}`;
      assertEquals(at % 64, 0, told);
      assert(at >= PAGE_BYTES && at + bytes <= memory.byteLength, told);
      for (const other of live) assert(at + bytes <= other.at || other.at + other.bytes <= at, told);
      live.push({ at, bytes });
    }
    for (const { at, bytes } of live) heap.free(at, bytes);
    assertEquals(heap.bytesInUse, 0);
  }
});

Deno.test("a room given back is the next one of its size", () => {
  const { heap, memory } = makeHeap(1024);
  const first = heap.allocate(1000)!;
  heap.allocate(1000);
  heap.free(first, 1000);
  const before = memory.byteLength;
  assertEquals(heap.allocate(1010), first);
  assertEquals(memory.byteLength, before);
});

Deno.test("small rooms given back make a large one", () => {
  const { heap } = makeHeap(65); // 4 MiB
  const rooms = Array.from({ length: 1000 }, () => heap.allocate(4096)!);
  assertEquals(heap.allocate(3_000_000), undefined);
  for (const at of rooms) heap.free(at, 4096);
  assert(heap.allocate(3_000_000) !== undefined);
});

Deno.test("a heap that is full says so, and goes on", () => {
  const { heap } = makeHeap(33); // 2 MiB
  const first = heap.allocate(2 ** 20)!;
  const inUse = heap.bytesInUse;
  assertEquals(heap.allocate(2 ** 22), undefined);
  assertEquals(heap.bytesInUse, inUse);
  assert(heap.allocate(1000) !== undefined);
  heap.free(first, 2 ** 20);
  assertEquals(heap.allocate(2 ** 20), first);
});

Deno.test("pages that someone else adds are not ours, and views see them", () => {
  const raw = new WebAssembly.Memory({ initial: 1, maximum: 1024 });
  const memory = new LinearMemory(raw);
  const heap = new Heap(memory);
  const mine = heap.allocate(100)!;
  memory.bytes[mine] = 7;
  const start = raw.grow(3) * PAGE_BYTES;
  const end = start + 3 * PAGE_BYTES;
  assertEquals(memory.bytes.length, end);
  assertEquals(memory.bytes[mine], 7, "the view was renewed over the same bytes");
  for (let i = 0; i < 100; i++) {
    const at = heap.allocate(2 ** 16)!;
    assert(at + 2 ** 16 <= start || at >= end, `room at ${at} lies in pages of others`);
  }
});

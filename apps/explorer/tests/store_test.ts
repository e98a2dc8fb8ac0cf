/** The store draws what changed, once a frame, and spreads what takes long over several. */
import { assertEquals } from "@std/assert";
import { Store } from "../src/page/store.ts";

/** Frames that a test lets pass. */
class Frames {
  #next: (() => void)[] = [];
  readonly #before = globalThis.requestAnimationFrame;

  constructor() {
    globalThis.requestAnimationFrame = (draw) => this.#next.push(() => draw(0));
  }

  /** Runs one; returns whether there was any. */
  pass(): boolean {
    const draws = this.#next.splice(0);
    for (const draw of draws) draw();
    return draws.length > 0;
  }

  [Symbol.dispose](): void {
    globalThis.requestAnimationFrame = this.#before;
  }
}

Deno.test("store: a view is drawn at once, then once a frame when a part of it has changed", () => {
  using frames = new Frames();
  const store = new Store({ a: 1, b: 1 });
  const drawn: number[] = [];
  store.view(["a"], ({ a }) => drawn.push(a));
  store.set({ a: 2 });
  store.set({ a: 3 });
  assertEquals(drawn, [1]);
  assertEquals(frames.pass(), true);
  assertEquals(drawn, [1, 3]);
  store.set({ b: 2 });
  assertEquals(frames.pass(), false);
});

Deno.test("store: what takes long is spread over frames, and each view sees the state as it is by then", () => {
  using frames = new Frames();
  const now = performance.now;
  let clock = 0;
  performance.now = () => clock;
  try {
    const store = new Store({ a: 0 });
    const drawn: string[] = [];
    for (const name of ["first", "second", "third"]) {
      store.view(["a"], ({ a }) => {
        clock += 20; // milliseconds
        drawn.push(`${name} ${a}`);
      });
    }
    drawn.length = 0;
    store.set({ a: 1 });
    frames.pass();
    assertEquals(drawn, ["first 1"]);
    store.set({ a: 2 });
    while (frames.pass());
    assertEquals(drawn, ["first 1", "second 2", "third 2", "first 2"]);
  } finally {
    performance.now = now;
  }
});

Deno.test("store: a change made while drawing is drawn in its turn", () => {
  using frames = new Frames();
  const store = new Store({ a: 0, b: 0 });
  const drawn: number[] = [];
  store.view(["a"], ({ a }) => a > 0 && store.set({ b: a }));
  store.view(["b"], ({ b }) => drawn.push(b));
  store.set({ a: 1 });
  while (frames.pass());
  assertEquals(drawn, [0, 1]);
});

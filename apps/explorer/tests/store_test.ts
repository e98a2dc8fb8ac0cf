/** The store draws what changed in the next frame; what takes long and has a place is spread over several, and rests. */
import { assertEquals } from "@std/assert";
import { Store } from "../src/page/store.ts";

/** Frames that a test lets pass, 16 ms after each other, and a clock that stands still otherwise. */
class Frames {
  /** The time in milliseconds. */
  clock = 0;
  #next: (() => void)[] = [];
  /** The store has one timer at most. */
  #timer: { readonly at: number; readonly run: () => void } | undefined;
  readonly #before = {
    requestAnimationFrame: globalThis.requestAnimationFrame,
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
  };
  readonly #now = performance.now;

  constructor() {
    globalThis.requestAnimationFrame = (draw) => this.#next.push(() => draw(0));
    Object.assign(globalThis, {
      setTimeout: (run: () => void, ms: number) => this.#timer = { at: this.clock + ms, run },
      clearTimeout: () => this.#timer = undefined,
    });
    performance.now = () => this.clock;
  }

  /** Lets one pass; returns whether anything was waited for. */
  pass(): boolean {
    this.clock += 16;
    const [timer, draws] = [this.#timer, this.#next.splice(0)];
    if (timer !== undefined && timer.at <= this.clock) {
      this.#timer = undefined;
      timer.run();
    }
    for (const draw of draws) draw();
    return timer !== undefined || draws.length > 0;
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#before);
    performance.now = this.#now;
  }
}

/** Places whose being in sight a test decides. */
class Sights {
  readonly #tell = new Map<Element, (isIntersecting: boolean) => void>();
  readonly #before = globalThis.IntersectionObserver;

  constructor() {
    const tell = this.#tell;
    globalThis.IntersectionObserver = class {
      readonly #callback: (entries: { isIntersecting: boolean }[]) => void;
      constructor(callback: (entries: { isIntersecting: boolean }[]) => void) {
        this.#callback = callback;
      }
      observe(place: Element): void {
        tell.set(place, (isIntersecting) => this.#callback([{ isIntersecting }]));
      }
    } as unknown as typeof IntersectionObserver; // all that the store uses
  }

  set(place: Element, isSeen: boolean): void {
    this.#tell.get(place)!(isSeen);
  }

  [Symbol.dispose](): void {
    globalThis.IntersectionObserver = this.#before;
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

Deno.test("store: what has a place is spread over frames, and each view sees the state as it is by then", () => {
  using frames = new Frames();
  using sights = new Sights();
  const store = new Store({ a: 0 });
  const drawn: string[] = [];
  for (const name of ["first", "second", "third"]) {
    const place = {} as Element; // only handed on
    store.view(["a"], ({ a }) => {
      frames.clock += 20;
      drawn.push(`${name} ${a}`);
    }, place);
    sights.set(place, true);
  }
  drawn.length = 0;
  store.set({ a: 1 });
  frames.pass();
  assertEquals(drawn, ["first 1"]);
  store.set({ a: 2 });
  while (frames.pass());
  assertEquals(drawn, ["first 1", "second 2", "third 2", "first 2"]);
});

Deno.test("store: what has none is all drawn in the next frame, before the rest", () => {
  using frames = new Frames();
  using sights = new Sights();
  const store = new Store({ a: 0 });
  const drawn: string[] = [];
  const draws = (name: string) => (): void => {
    frames.clock += 20;
    drawn.push(name);
  };
  const place = {} as Element; // only handed on
  store.view(["a"], draws("chart"), place);
  sights.set(place, true);
  store.view(["a"], draws("button"));
  store.view(["a"], draws("text"));
  while (frames.pass()); // the chart is rested
  drawn.length = 0;
  store.set({ a: 1 });
  frames.pass();
  assertEquals(drawn, ["button", "text", "chart"]);
  store.set({ a: 2 });
  frames.pass();
  assertEquals(drawn, ["button", "text", "chart", "button", "text"]);
  while (frames.pass());
  assertEquals(drawn, ["button", "text", "chart", "button", "text", "chart"]);
});

Deno.test("store: a view that took long rests thirty times as long, half a second at most, and is then drawn", () => {
  using frames = new Frames();
  using sights = new Sights();
  const place = {} as Element; // only handed on
  const store = new Store({ a: 0, took: 20 });
  const drawn: number[] = [];
  store.view(["a"], ({ took }) => {
    drawn.push(frames.clock);
    frames.clock += took;
  }, place);
  sights.set(place, true);
  const restAfter = (took: number): number => {
    store.set({ a: store.state.a + 1, took });
    while (frames.pass());
    const before = drawn.at(-1)! + took;
    store.set({ a: store.state.a + 1 });
    while (frames.pass());
    return drawn.at(-1)! - before;
  };
  for (const [took, rest] of [[0, 0], [10, 300], [100, 500]] as const) {
    const rested = restAfter(took);
    assertEquals(rested >= rest && rested <= rest + 2 * 16, true, `${took} ms, then ${rested}`);
  }
});

Deno.test("store: what is out of sight is drawn when it comes into sight, as the state is by then", () => {
  using frames = new Frames();
  using sights = new Sights();
  const place = {} as Element; // only handed on
  const store = new Store({ a: 0 });
  const drawn: number[] = [];
  store.view(["a"], ({ a }) => drawn.push(a), place);
  store.set({ a: 1 });
  assertEquals(frames.pass(), false);
  store.set({ a: 2 });
  sights.set(place, true);
  while (frames.pass());
  assertEquals(drawn, [0, 2]);
  sights.set(place, false);
  store.set({ a: 3 });
  while (frames.pass());
  assertEquals(drawn, [0, 2]);
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

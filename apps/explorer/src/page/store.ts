/**
 * The page's state in one place. Views say which parts they draw; after a change each view that is concerned is drawn once,
 * in the next frame: what the page says and what can be pressed is never behind. Views that have a place of their own, such
 * as charts, take longer and wait: until their place is in sight, until a frame has time for them, and until they have
 * rested from the last time, so that the page stays at hand whatever changes. Then they draw the state as it is by then.
 */

/** What draws some parts of the state. */
interface View<S> {
  readonly parts: ReadonlySet<keyof S>;
  readonly draw: (state: S) => void;
  /** Whether it waits for sight, time and rest. */
  readonly canWait: boolean;
  /** Whether its place is in sight, or it has none. */
  isSeen: boolean;
  /** When it may be drawn again, by `performance.now()`. */
  restsUntil: number;
}

/** After as long as this a frame begins no further view that can wait; one view may take about as long again. */
const FRAME_MS = 4;
/** Such a view rests so many times as long as it took: charts of each token would leave the page no time for anything else. */
const REST = 30;
/** And no longer than this, lest one that was slow once seem to be stuck. */
const MOST_REST_MS = 500;
/** What is this near to being seen is drawn, so that scrolling does not come upon empty places. */
const NEAR = "200px";

/** State, and who draws it. */
export class Store<S extends object> {
  #state: S;
  readonly #views: View<S>[] = [];
  /** Views that are to be drawn, in the order in which that became so. */
  readonly #waiting = new Set<View<S>>();
  #isFrameAsked = false;
  /** Ends the rest of the first view that is rested. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param initial every part */
  constructor(initial: S) {
    this.#state = initial;
  }

  /** The state now; never changed in place. */
  get state(): S {
    return this.#state;
  }

  /** Changes some parts. */
  set(changes: Partial<S>): void {
    this.#state = { ...this.#state, ...changes };
    const changed = Object.keys(changes) as (keyof S)[]; // changes has no other keys
    for (const view of this.#views) {
      if (changed.some((part) => view.parts.has(part))) this.#waiting.add(view);
    }
    this.#askForFrame();
  }

  /**
   * Draws at once, and then whenever one of the parts has changed.
   *
   * @param place where it draws, if that takes long and is worth it only while it is in sight
   */
  view(parts: readonly (keyof S)[], draw: (state: S) => void, place?: Element): void {
    const view: View<S> = {
      parts: new Set(parts),
      draw,
      canWait: place !== undefined,
      isSeen: place === undefined,
      restsUntil: 0,
    };
    this.#views.push(view);
    draw(this.#state);
    if (place === undefined) return;
    const observer = new IntersectionObserver((entries) => {
      view.isSeen = entries.at(-1)!.isIntersecting; // there is one at least
      this.#askForFrame();
    }, { rootMargin: NEAR });
    observer.observe(place);
  }

  /** Draws in the next frame that finds something seen and rested; frames in between cost even if nothing is drawn. */
  #askForFrame(): void {
    if (this.#isFrameAsked) return;
    clearTimeout(this.#timer);
    const seen = [...this.#waiting].filter(({ isSeen }) => isSeen);
    if (seen.length === 0) return;
    const waitMs = Math.min(...seen.map(({ restsUntil }) => restsUntil)) - performance.now();
    if (waitMs > 0) {
      this.#timer = setTimeout(() => this.#askForFrame(), waitMs);
      return;
    }
    this.#isFrameAsked = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#isFrameAsked = false;
    const waiting = [...this.#waiting];
    for (const view of waiting.filter(({ canWait }) => !canWait)) this.#drawOne(view);
    const start = performance.now(); // one that can wait is drawn at least
    for (const view of waiting.filter(({ canWait, isSeen }) => canWait && isSeen)) {
      const now = performance.now();
      if (now - start > FRAME_MS) break;
      if (now < view.restsUntil) continue;
      this.#drawOne(view);
      const end = performance.now();
      view.restsUntil = end + Math.min(REST * (end - now), MOST_REST_MS);
    }
    this.#askForFrame();
  }

  #drawOne(view: View<S>): void {
    this.#waiting.delete(view);
    view.draw(this.#state);
  }
}

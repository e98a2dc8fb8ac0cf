/**
 * The page's state in one place. Views say which parts they draw; after a change each view that is concerned is drawn once,
 * in a later frame. So that the page stays at hand whatever changes, a frame draws only so much as it has time for, a view
 * that took long rests before it is drawn again, as the state is by then, and one whose place is out of sight waits until
 * that is seen.
 */

/** What draws some parts of the state. */
interface View<S> {
  readonly parts: ReadonlySet<keyof S>;
  readonly draw: (state: S) => void;
  /** Whether its place is in sight, or it has none. */
  isSeen: boolean;
  /** When it may be drawn again, by `performance.now()`. */
  restsUntil: number;
}

/** After as long as this a frame begins no further view; one view may take about as long again. */
const FRAME_MS = 4;
/** A view rests so many times as long as it took: charts of each token would leave the page no time for anything else. */
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
   * @param place where it draws, if that is worth drawing only while it is in sight
   */
  view(parts: readonly (keyof S)[], draw: (state: S) => void, place?: Element): void {
    const view: View<S> = { parts: new Set(parts), draw, isSeen: place === undefined, restsUntil: 0 };
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
    const start = performance.now();
    for (const view of this.#waiting) {
      const now = performance.now();
      if (now - start > FRAME_MS) break;
      if (!view.isSeen || now < view.restsUntil) continue;
      this.#waiting.delete(view);
      view.draw(this.#state);
      const end = performance.now();
      view.restsUntil = end + Math.min(REST * (end - now), MOST_REST_MS);
    }
    this.#askForFrame();
  }
}

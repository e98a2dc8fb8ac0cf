/**
 * The page's state in one place. Views say which parts they draw; after a change each view that is concerned is drawn once,
 * in the next frame. A frame draws only so much as it has time for, and leaves the rest to those after it, so that the page
 * stays at hand whatever changes.
 */

/** What draws some parts of the state. */
interface View<S> {
  readonly parts: ReadonlySet<keyof S>;
  readonly draw: (state: S) => void;
}

/** After as long as this a frame begins no further view; one view may take about as long again. */
const FRAME_MS = 4;

/** State, and who draws it. */
export class Store<S extends object> {
  #state: S;
  readonly #views: View<S>[] = [];
  /** Views that are to be drawn, in the order in which that became so. */
  readonly #waiting = new Set<View<S>>();

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
    const isIdle = this.#waiting.size === 0;
    const changed = Object.keys(changes) as (keyof S)[]; // changes has no other keys
    for (const view of this.#views) {
      if (changed.some((part) => view.parts.has(part))) this.#waiting.add(view);
    }
    if (isIdle && this.#waiting.size > 0) requestAnimationFrame(() => this.#draw());
  }

  /** Draws at once, and then whenever one of the parts has changed. */
  view(parts: readonly (keyof S)[], draw: (state: S) => void): void {
    this.#views.push({ parts: new Set(parts), draw });
    draw(this.#state);
  }

  #draw(): void {
    const start = performance.now();
    for (const view of this.#waiting) {
      if (performance.now() - start > FRAME_MS) break;
      this.#waiting.delete(view);
      view.draw(this.#state);
    }
    if (this.#waiting.size > 0) requestAnimationFrame(() => this.#draw());
  }
}

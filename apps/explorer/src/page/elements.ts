/** Elements found and made. Text goes in by `textContent` alone: what a model says is never markup. */

/** The element of an id. @throws Error when the page has none, or it is another kind */
export function byId<T extends Element = HTMLElement>(
  id: string,
  type: abstract new () => T = HTMLElement as never,
): T {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`Internal: the page lacks ${type.name} #${id}`);
}

/** Makes an element with a class, and text or children in it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.append(...children); // strings become text nodes
  return element;
}

/** Sets text where it is another one, so that nothing is laid out for nothing. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

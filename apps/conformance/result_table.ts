/** The page's table: a row for each group of cases, and below it what failed. */
import type { CaseResult } from "../../packages/conformance/mod.ts";

type Counts = Record<CaseResult["status"], number>;

/** Counts results by group, and shows them as they come. */
export class ResultTable {
  readonly #document: Document;
  readonly #groups = new Map<string, { counts: Counts; row: HTMLTableRowElement }>();
  readonly #total: Counts = { passed: 0, failed: 0, skipped: 0 };

  /** @param document The page, with elements `groups` (a table's body), `summary` and `failures`. */
  constructor(document: Document) {
    this.#document = document;
  }

  /** Adds one result. */
  add(result: CaseResult): void {
    const group = result.name.split("/")[0] ?? result.name;
    const { counts, row } = this.#group(group);
    counts[result.status]++;
    this.#total[result.status]++;
    const cells = [group, counts.passed, counts.failed, counts.skipped];
    cells.forEach((value, i) => row.cells[i]!.textContent = `${value}`);
    if (result.status === "failed") {
      row.className = "failed";
      this.#element("failures").append(`${result.name}: ${result.message ?? "failed"}\n`);
    }
    this.#element("summary").textContent = `Running: ${this.#sum()}`;
  }

  /** Says that no more results come. */
  finish(): void {
    this.#element("summary").textContent = this.#sum();
  }

  #group(name: string): { counts: Counts; row: HTMLTableRowElement } {
    let group = this.#groups.get(name);
    if (group === undefined) {
      const row = this.#document.createElement("tr");
      for (let i = 0; i < 4; i++) row.insertCell();
      this.#element("groups").append(row);
      group = { counts: { passed: 0, failed: 0, skipped: 0 }, row };
      this.#groups.set(name, group);
    }
    return group;
  }

  #sum(): string {
    const { passed, failed, skipped } = this.#total;
    return `${passed} passed, ${failed} failed, ${skipped} skipped`;
  }

  #element(id: string): HTMLElement {
    const element = this.#document.getElementById(id);
    if (element === null) throw new Error(`the page lacks an element #${id}`);
    return element;
  }
}

/**
 * The page's table: a row for each group of cases with a column for each choice, and under a group that was opened a row for
 * each of its cases. Names and messages come in as text, never as markup.
 */
import type { TimedResult } from "./report.ts";

/** A group's cases by name, each with its results by column. */
interface Group {
  readonly body: HTMLTableSectionElement;
  readonly button: HTMLButtonElement;
  readonly cases: Map<string, (TimedResult | undefined)[]>;
}

/** How long something took, for a person. */
function duration(milliseconds: number): string {
  if (milliseconds < 1) return "under 1 ms";
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

function caseText({ status, message, milliseconds }: TimedResult): string {
  return status === "passed" ? duration(milliseconds) : `${status}${message === undefined ? "" : `: ${message}`}`;
}

/** Shows results as they come. */
export class ResultTable {
  readonly #table: HTMLTableElement;
  #columns: readonly string[] = [];
  #groups = new Map<string, Group>();
  #stale = new Set<Group>();

  /** @param table an empty table */
  constructor(table: HTMLTableElement) {
    this.#table = table;
  }

  /** Empties the table, for these columns. */
  start(columns: readonly string[]): void {
    [this.#columns, this.#groups, this.#stale] = [columns, new Map(), new Set()];
    this.#table.replaceChildren();
    const row = this.#table.createTHead().insertRow();
    for (const title of ["Cases", ...columns]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = title;
      row.append(cell);
    }
  }

  /** Adds results of one column. */
  add(column: number, results: readonly TimedResult[]): void {
    for (const result of results) {
      const group = this.#group(result.name.split("/")[0] ?? result.name);
      const known = group.cases.get(result.name) ?? this.#columns.map(() => undefined);
      known[column] = result;
      group.cases.set(result.name, known);
      this.#stale.add(group);
    }
    for (const group of this.#stale) this.#draw(group);
    this.#stale.clear();
  }

  #group(name: string): Group {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-expanded", "false");
    const group = { body: this.#table.createTBody(), button, cases: new Map() };
    button.addEventListener("click", () => {
      button.setAttribute("aria-expanded", `${button.getAttribute("aria-expanded") === "false"}`);
      this.#draw(group);
    });
    const heading = document.createElement("th");
    heading.scope = "row";
    heading.append(button);
    const row = group.body.insertRow();
    row.append(heading);
    for (const _ of this.#columns) row.insertCell();
    this.#groups.set(name, group);
    return group;
  }

  #draw({ body, button, cases }: Group): void {
    const first = body.rows[0]!;
    this.#columns.forEach((_, column) => this.#drawSum(first.cells[column + 1]!, column, cases));
    while (body.rows.length > 1) body.deleteRow(-1);
    if (button.getAttribute("aria-expanded") === "false") return;
    for (const [name, results] of cases) {
      const row = body.insertRow();
      row.className = "case";
      row.insertCell().textContent = name.slice(button.textContent.length + 1);
      for (const result of results) {
        const cell = row.insertCell();
        if (result !== undefined) [cell.className, cell.textContent] = [result.status, caseText(result)];
      }
    }
  }

  #drawSum(cell: HTMLTableCellElement, column: number, cases: Group["cases"]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    let milliseconds = 0;
    for (const results of cases.values()) {
      const result = results[column];
      if (result === undefined) continue;
      counts[result.status]++;
      milliseconds += result.milliseconds;
    }
    const parts = Object.entries(counts).filter(([, count]) => count > 0).map(([status, count]) =>
      `${count} ${status}`
    );
    cell.className = counts.failed > 0 ? "failed" : "";
    cell.textContent = parts.length === 0 ? "" : `${parts.join(", ")} in ${duration(milliseconds)}`;
  }
}

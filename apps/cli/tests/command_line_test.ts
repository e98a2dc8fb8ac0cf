import { assertEquals, assertThrows } from "@std/assert";
import { numberOption, onlyArgument, parseCommandLine } from "../src/command_line.ts";
import { UsageError } from "../src/errors.ts";

const OPTIONS = { model: { type: "string" }, json: { type: "boolean" } } as const;

Deno.test("options and arguments may stand in any order", () => {
  const { values, positionals } = parseCommandLine(["a", "--json", "--model=x", "--", "--b"], OPTIONS);
  assertEquals([values.model, values.json, positionals], ["x", true, ["a", "--b"]]);
});

Deno.test("an unknown option, and one without its value, are usage errors", () => {
  assertThrows(() => parseCommandLine(["--modle", "x"], OPTIONS), UsageError, "Unknown option '--modle'");
  assertThrows(() => parseCommandLine(["--model"], OPTIONS), UsageError, "Option '--model <value>' argument missing");
  assertThrows(
    () => parseCommandLine(["--json=yes"], OPTIONS),
    UsageError,
    "Option '--json' does not take an argument",
  );
});

Deno.test("numbers are checked against their range", () => {
  assertEquals(numberOption("seed", undefined, { min: 0 }), undefined);
  assertEquals(numberOption("seed", "7", { min: 0, whole: true }), 7);
  assertEquals(numberOption("top-p", "0.5", { min: 0, max: 1 }), 0.5);
  const bad = (text: string, rule: Parameters<typeof numberOption>[2], message: string): UsageError =>
    assertThrows(() => numberOption("n", text, rule), UsageError, `Cannot use --n "${text}": it must be ${message}`);
  bad("1.5", { min: 0, whole: true }, "a whole number of at least 0");
  bad("-1", { min: 0, whole: true }, "a whole number of at least 0");
  bad("2", { min: 0, max: 1 }, "a number from 0 to 1");
  bad("", { min: 0 }, "a number of at least 0");
  bad("many", { min: 0 }, "a number of at least 0");
  bad("Infinity", { min: 0 }, "a number of at least 0");
  bad("99999999999999999999", { min: 0, whole: true }, "a whole number from 0 to 9007199254740991");
});

Deno.test("a command takes one argument", () => {
  assertEquals(onlyArgument(["a"], "one model"), "a");
  assertThrows(() => onlyArgument([], "one model"), UsageError, "Cannot go on without one model");
  assertThrows(() => onlyArgument([""], "one model"), UsageError, "without one model: what was given is empty");
  assertThrows(() => onlyArgument(["a", "b"], "one model"), UsageError, 'Cannot take "b" after "a": only one model');
});

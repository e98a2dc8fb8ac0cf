/** Recordings show what a terminal would, prompts are answered in turn, and a command that fails is no recording. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { record } from "../terminal_recording.ts";

const ignore = Deno.build.os !== "linux"; // `script` takes other options elsewhere
const TERMINAL = { columns: 40, rows: 6 };

Deno.test({
  name: "a recording has what is drawn over, and where the cursor is",
  ignore,
  async fn() {
    const screens = await record({ ...TERMINAL, command: String.raw`sh -c 'printf "Loading 1%%\r\033[KDone\nnext"'` });
    const { rows, cursor } = screens.at(-1)!;
    assertEquals(rows.slice(-4), ["Done", "next", "", ""]);
    assertEquals(cursor, { column: 4, row: 3 });
  },
});

Deno.test({
  name: "prompts are answered in turn",
  ignore,
  async fn() {
    const ask = `sh -c 'for i in 1 2; do printf "> "; read line; echo "[$line]"; done'`;
    const screens = await record({ ...TERMINAL, columns: 100, command: ask, answers: ["one", "two"] });
    assertEquals(screens.at(-1)!.rows.slice(1, 5), ["> one", "[one]", "> two", "[two]"]);
    assertEquals(screens.at(-1)!.turn, 2);
    assert(screens.every(({ ms }, i) => ms >= (screens[i - 1]?.ms ?? 0)));
  },
});

Deno.test({
  name: "a command that fails is not recorded",
  ignore,
  async fn() {
    await assertRejects(() => record({ ...TERMINAL, command: "false" }), Error, "Cannot record false: it ended with 1");
  },
});

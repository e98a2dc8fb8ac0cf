/** Starts participants of the comparison, each in a browser or a Deno process of its own, and talks to them. */
import type { Host } from "../apps/bench/peers/host.ts";
import type {} from "../apps/bench/peers/page.ts"; // declares peerHost
import { launchChromium } from "./chromium.ts";
import { fromFileUrl } from "./files.ts";
import { SITE_URL } from "./peer_site.ts";

/** What bench_peers.ts may ask a participant. */
export type Method = "start" | "first" | "loadModel" | "prepare" | "time" | "release";

/** A participant somewhere else. */
export interface RemoteHost {
  /** Asks; rejects with its error, when it crashed, or when it does not answer. */
  call<M extends Method>(method: M, ...args: Parameters<Host[M]>): Promise<Awaited<ReturnType<Host[M]>>>;
  /** The most memory it has taken, in bytes, where the system tells (Linux): the page's process, or Deno's. */
  peakBytes(): Promise<number | undefined>;
  close(): Promise<void>;
}

/** Seconds for an answer: several times what the slowest participant takes on a machine with two busy cores. */
const TIMEOUT_SECONDS: Readonly<Record<Method, number>> = {
  ...{ start: 30, first: 30, loadModel: 60, prepare: 120, time: 60, release: 10 },
};

/** Who does not answer in time is ended by `end`, so that it takes nothing from the others, and answers nothing any more. */
class Patience {
  readonly #end: () => Promise<void>;
  #late: string | undefined;

  constructor(end: () => Promise<void>) {
    this.#end = end;
  }

  async wait<T>(method: Method, ask: () => Promise<T>): Promise<T> {
    if (this.#late !== undefined) throw new Error(this.#late);
    let id: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      id = setTimeout(() => {
        this.#late = `ended: no answer to ${method}() in ${TIMEOUT_SECONDS[method]} s`;
        reject(new Error(this.#late));
        this.#end().catch(() => {}); // it crashed meanwhile
      }, TIMEOUT_SECONDS[method] * 1000);
    });
    return await Promise.race([ask(), late]).finally(() => clearTimeout(id));
  }
}

/** `VmHWM: 123 kB` of /proc, in bytes. */
async function peakOf(processId: number): Promise<number | undefined> {
  try {
    const kilobytes = /^VmHWM:\s*(\d+) kB/m.exec(await Deno.readTextFile(`/proc/${processId}/status`))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined; // not Linux
  }
}

/** A page in a fresh browser, so that nothing is shared, and nothing cached. */
export async function startInChromium(url: string): Promise<RemoteHost> {
  const browser = await launchChromium();
  const page = await browser.newPage();
  const crash = new Promise<never>((_, reject) => page.on("crash", () => reject(new Error("the page crashed"))));
  crash.catch(() => {}); // it is looked at where a call is waited for
  const patience = new Patience(() => browser.close());
  await page.goto(url);
  await page.waitForFunction(() => globalThis.peerHost !== undefined);
  return {
    async call<M extends Method>(method: M, ...args: Parameters<Host[M]>): Promise<Awaited<ReturnType<Host[M]>>> {
      const ask = (): Promise<Awaited<ReturnType<Host[M]>>> =>
        page.evaluate(
          ([method, args]) => Reflect.apply(globalThis.peerHost[method], globalThis.peerHost, args),
          [method, args] as const,
        );
      return await patience.wait(method, () => Promise.race([ask(), crash]));
    },
    async peakBytes(): Promise<number | undefined> {
      const session = await browser.newBrowserCDPSession();
      const { processInfo } = await session.send("SystemInfo.getProcessInfo");
      const renderers = processInfo.filter(({ type }) => type === "renderer");
      const peaks = await Promise.all(renderers.map(({ id }) => peakOf(id)));
      return peaks.reduce((most, peak) => peak !== undefined && peak > (most ?? 0) ? peak : most, undefined);
    },
    close: () => browser.close(),
  };
}

/** What an answer starts with: see process.ts. */
const MARK = "\u0001";

/** A Deno process. */
export function startInDeno(): RemoteHost {
  const script = fromFileUrl(`${SITE_URL}process.js`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", "--no-lock", "--node-modules-dir=manual", script],
    ...{ stdin: "piped", stdout: "piped", stderr: "null" },
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const kill = (): void => {
    try {
      child.kill("SIGKILL");
    } catch {
      // it ended by itself
    }
  };
  const patience = new Patience(() => Promise.resolve(kill()));
  let text = "";
  const nextAnswer = async (): Promise<string> => {
    for (;;) {
      const end = text.indexOf("\n");
      if (end < 0) {
        const { value, done } = await reader.read();
        if (done) throw new Error("the process ended");
        text += value;
        continue;
      }
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      if (line.startsWith(MARK)) return line.slice(MARK.length);
    }
  };
  return {
    async call<M extends Method>(method: M, ...args: Parameters<Host[M]>): Promise<Awaited<ReturnType<Host[M]>>> {
      const ask = async (): Promise<string> => {
        await writer.write(new TextEncoder().encode(JSON.stringify({ method, args }) + "\n"));
        return await nextAnswer();
      };
      const { value, error } = JSON.parse(await patience.wait(method, ask));
      if (error !== undefined) throw new Error(error);
      return value;
    },
    peakBytes: () => peakOf(child.pid),
    async close(): Promise<void> {
      kill();
      await reader.cancel();
      await child.status;
      await writer.close().catch(() => {});
    },
  };
}

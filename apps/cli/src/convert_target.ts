/**
 * A folder that appears whole or not at all: it is filled under another name beside its place, and renamed at the end. What
 * it replaces is moved aside first and deleted last, and is back in its place if anything fails.
 */
import { basename, dirname, join, resolve, sep } from "node:path";
import { isSystemError, ModelError } from "./errors.ts";

/**
 * Checks that a folder may be made or replaced.
 *
 * @param path the folder to make
 * @param input the folder that is read meanwhile
 * @param overwrite whether an existing model is replaced
 * @returns where it will be, with links followed
 * @throws {ModelError} when it exists, is no model's folder, shares a part with `input`, or has no folder to be in
 */
export async function checkTarget(path: string, input: string, overwrite: boolean): Promise<string> {
  const refuse = (why: string): ModelError => new ModelError(`Cannot write ${path}: ${why}`);
  const parent = await realPath(dirname(resolve(path)));
  if (parent === undefined) throw refuse(`${dirname(resolve(path))} does not exist; make it first`);
  if (!(await Deno.stat(parent)).isDirectory) throw refuse(`${parent} is a file; choose another folder`);
  const existing = await realPath(path);
  const target = existing ?? join(parent, basename(resolve(path)));
  const source = await Deno.realPath(input);
  if (within(target, source) || within(source, target)) {
    throw refuse(`it and ${input} lie in one another; choose a folder apart`);
  }
  if (existing === undefined) return target;
  if (!(await Deno.stat(target)).isDirectory) throw refuse("it is a file; choose another folder");
  if (!overwrite) throw refuse("it exists; choose another folder, or give --overwrite to replace it");
  const names = Array.from(Deno.readDirSync(target), ({ name }) => name);
  if (names.length === 0 || names.includes("config.json")) return target;
  throw refuse(
    "it holds something else than a model (it has no config.json), so it is not replaced; choose another folder",
  );
}

/**
 * Makes a folder by filling another one.
 *
 * @param target where it will be, as {@linkcode checkTarget} gives it
 * @param fill writes its files into the folder it is given; when it fails, nothing has changed
 * @throws {ModelError} when the system refuses it
 */
export async function makeFolder(target: string, fill: (folder: string) => Promise<void>): Promise<void> {
  try {
    await makeBeside(target, fill);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new ModelError(`Cannot write ${target}: ${error.message}; make room, or choose another folder`);
  }
}

async function makeBeside(target: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const tag = crypto.randomUUID().slice(0, 8);
  const partial = `${target}.partial-${tag}`;
  await Deno.mkdir(partial);
  try {
    await fill(partial);
    await replace(target, partial, `${target}.replaced-${tag}`);
  } catch (error) {
    await Deno.remove(partial, { recursive: true });
    throw error;
  }
}

async function replace(target: string, by: string, aside: string): Promise<void> {
  if (await realPath(target) === undefined) return await Deno.rename(by, target);
  await Deno.rename(target, aside);
  try {
    await Deno.rename(by, target);
  } catch (error) {
    await Deno.rename(aside, target);
    throw error;
  }
  await Deno.remove(aside, { recursive: true });
}

/** The path with links followed; undefined where there is nothing, or a file in place of a folder. */
async function realPath(path: string): Promise<string | undefined> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

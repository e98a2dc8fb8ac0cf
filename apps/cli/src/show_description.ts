/**
 * A model's description as text: pairs of name and value, then tables.
 */
import { CACHE_DTYPES, type CacheCosts, type ModelDescription, type Variant } from "./describe_model.ts";
import { formatBytes, formatCount } from "./format_bytes.ts";

/**
 * Several lines, each ended.
 *
 * @example
 * ```text
 * attention        GQA: 9 query heads on 3 key/value heads, groups of 3
 * ```
 */
export function showDescription(description: ModelDescription): string {
  const sections = [
    pairs(factsOf(description)),
    table(dtypeRows(description)),
    table(cacheRows(description.cache)),
    table(variantRows(description)),
  ];
  return sections.join("\n");
}

function factsOf(description: ModelDescription): [string, string][] {
  const { headSize, valueHeadSize, ropeTheta, files, format } = description;
  return [
    ["model", description.name],
    ["architecture", description.architecture],
    ["attention", attentionOf(description)],
    ["head size", valueHeadSize === headSize ? `${headSize}` : `${headSize}, values ${valueHeadSize}`],
    ["layers", `${description.layers}`],
    ["hidden size", formatCount(description.hiddenSize)],
    [
      "vocabulary",
      `${formatCount(description.vocabularySize)}${description.tiedEmbeddings ? ", tied embeddings" : ""}`,
    ],
    ["context", `${formatCount(description.contextLength)} tokens`],
    ["rope theta", ropeTheta === null ? "not stated" : formatCount(ropeTheta)],
    ["parameters", formatCount(description.parameters)],
    [files === 1 ? `${format} file` : `${format}, ${files} files`, bytesOf(description.fileBytes)],
  ];
}

function attentionOf({ attention, queryHeads, keyValueHeads, groupSize }: ModelDescription): string {
  const heads = `${attention}: ${queryHeads} query heads on ${keyValueHeads} key/value`;
  return `${heads} ${keyValueHeads === 1 ? "head" : "heads"}, ${
    groupSize === 1 ? "no sharing" : `groups of ${groupSize}`
  }`;
}

function dtypeRows({ dtypes }: ModelDescription): string[][] {
  const rows = dtypes.map(({ dtype, tensors, parameters, bytes }) => [
    dtype,
    `${tensors}`,
    formatCount(parameters),
    formatBytes(bytes),
  ]);
  return [["weights", "tensors", "parameters", "bytes"], ...rows];
}

function cacheRows(cache: CacheCosts): string[][] {
  const rows = CACHE_DTYPES.map((dtype) => {
    const cost = cache[dtype];
    if (cost === null) return [dtype, "-", "-"];
    return [dtype, bytesOf(cost.bytesPerToken), formatBytes(cost.bytesAtFullContext)];
  });
  return [["key/value cache", "a token", "full context"], ...rows];
}

function variantRows(description: ModelDescription): string[][] {
  const { attention, keyValueHeads, parameters, cache, variants } = description;
  const row = (name: string, { keyValueHeads, parameters, cache }: Variant): string[] => [
    name,
    `${keyValueHeads}`,
    parameters === null ? "unknown" : formatCount(parameters),
    cache.f16 === null ? "-" : bytesOf(cache.f16.bytesPerToken),
    cache.f16 === null ? "-" : formatBytes(cache.f16.bytesAtFullContext),
  ];
  return [
    ["the same model", "key/value heads", "parameters", "f16 cache a token", "full context"],
    row(`as it is (${attention})`, { keyValueHeads, parameters, cache }),
    row("as MHA", variants.mha),
    row("as MQA", variants.mqa),
  ];
}

function bytesOf(byteLength: number): string {
  return byteLength < 1000 ? formatBytes(byteLength) : `${formatBytes(byteLength)} (${formatCount(byteLength)} bytes)`;
}

function pairs(rows: readonly [string, string][]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

/** Names to the left, numbers to the right. */
function table(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `${cells.join("  ").trimEnd()}\n`;
  };
  return rows.map(line).join("");
}

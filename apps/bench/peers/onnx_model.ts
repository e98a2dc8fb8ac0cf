/**
 * A small ONNX model of a few nodes, as the bytes of its protocol buffer. Field numbers are those of onnx.proto3
 * (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto, ValueInfoProto); a message is its fields one after
 * another, each with the key `number << 3 | wire type` (0: a varint, 2: a length and bytes, 5: four bytes).
 */

/** An f32 or i32 tensor that the graph takes, gives or holds. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: "float32" | "int32";
  /** What it holds, where the graph holds it: a weight. */
  readonly data?: Float32Array<ArrayBuffer>;
}

/** A node. */
export interface Node {
  readonly op: string;
  /** The operators' domain: "" is ONNX's own, "com.microsoft" that of the fused ones. */
  readonly domain: string;
  /** Names; an empty one leaves an optional input or output out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Integers. */
  readonly attributes: Readonly<Record<string, number>>;
}

const OPSET = 23; // the first with Attention
const IR_VERSION = 10;
const ELEMENT = { float32: 1, int32: 6 };

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value;; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push(rest % 128 + 128);
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const int = (field: number, value: number): Uint8Array => Uint8Array.from([...varint(field << 3), ...varint(value)]);
const bytes = (field: number, value: Uint8Array): Uint8Array =>
  join([Uint8Array.from([...varint(field << 3 | 2), ...varint(value.length)]), value]);
const text = (field: number, value: string): Uint8Array => bytes(field, new TextEncoder().encode(value));
const message = (field: number, ...parts: Uint8Array[]): Uint8Array => bytes(field, join(parts));

function attribute([name, value]: readonly [string, number]): Uint8Array {
  return message(5, text(1, name), int(3, value), int(20, 2)); // 2: an integer
}

function node({ op, domain, inputs, outputs, attributes }: Node): Uint8Array {
  return message(
    1,
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(attribute),
    text(7, domain),
  );
}

function valueInfo(field: number, { name, shape, type }: Value): Uint8Array {
  const dims = shape.map((size) => message(1, int(1, size)));
  return message(field, text(1, name), message(2, message(1, int(1, ELEMENT[type]), message(2, ...dims))));
}

function initializer({ name, shape, type, data }: Value): Uint8Array {
  const raw = new Uint8Array(data?.buffer ?? new ArrayBuffer(0));
  return message(5, ...shape.map((size) => int(1, size)), int(2, ELEMENT[type]), text(8, name), bytes(9, raw));
}

/** The model's bytes: inputs with data become initializers, and are no inputs. */
export function onnxModel(nodes: readonly Node[], inputs: readonly Value[], outputs: readonly Value[]): Uint8Array {
  const graph = message(
    7,
    ...nodes.map(node),
    text(2, nodes[0]!.op),
    ...inputs.filter(({ data }) => data !== undefined).map(initializer),
    ...inputs.filter(({ data }) => data === undefined).map((value) => valueInfo(11, value)),
    ...outputs.map((value) => valueInfo(12, value)),
  );
  const opset = (domain: string, version: number): Uint8Array => message(8, text(1, domain), int(2, version));
  return join([int(1, IR_VERSION), graph, opset("", OPSET), opset("com.microsoft", 1)]);
}

/** Addresses are taken as people type them, and refused where they cannot work. */
import { assertEquals, assertThrows } from "@std/assert";
import { modelAt } from "../src/page/address.ts";

const PAGE = "http://127.0.0.1:8000/";

Deno.test("address: a model is called as its file is, escapes undone where they are any", () => {
  for (
    const [address, name] of [
      ["https://host/a/model.gguf", "model.gguf"],
      ["https://host/a%20b.gguf?download=true", "a b.gguf"],
      ["https://host/100%.gguf", "100%.gguf"],
      ["https://host/models/7", "7"],
      ["http://127.0.0.1:8000/models/own.gguf", "own.gguf"],
      ["https://host/org/A%20Model/resolve/main/model.safetensors", "A Model"],
      ["https://host/org/Model/resolve/main/model.safetensors.index.json?download=true", "Model"],
      ["https://host/folder/model.safetensors", "folder"],
      ["https://host/model.safetensors", "host"],
    ] as const
  ) {
    assertEquals(modelAt(address, PAGE), { name, url: new URL(address).href });
  }
});

Deno.test("address: what cannot work is refused, and why", () => {
  const other = "Cannot load m.gguf: this page's policy lets it read other sites by https alone";
  for (
    const [address, message] of [
      ["ftp://host/m.gguf", "Cannot load ftp://host/m.gguf: it is no address of the web"],
      ["file:///m.gguf", "Cannot load file:///m.gguf: it is no address of the web"],
      ["m.gguf", "Cannot load m.gguf: it is no address of the web"],
      ["http://host/m.gguf", other],
      ["http://127.0.0.1:8001/m.gguf", other],
      [
        "https://host/config.json",
        "Cannot load config.json by its address: give that of a .gguf file, of model.safetensors,",
      ],
      ["https://host/folder/", "Cannot load https://host/folder/ by its address"],
    ] as const
  ) {
    assertThrows(() => modelAt(address, PAGE), Error, message);
  }
});

import { assertEquals, assertThrows } from "@std/assert";
import { createScalarBackend } from "../../backend-scalar/mod.ts";
import { ShapeError, tensor } from "../../core/mod.ts";
import { Embedding, initialized } from "../mod.ts";

Deno.test("Embedding: the padding's row starts at 0 and gets no gradient from look-ups", async () => {
  const backend = createScalarBackend();
  for (const paddingIdx of [1, -2]) {
    using layer = new Embedding({ numEmbeddings: 3, embeddingDim: 2, paddingIdx }, initialized({ backend }));
    layer.requiresGrad_();
    assertEquals([...await layer.weight.data()].slice(2, 4), [0, 0]);
    using ids = tensor(Int32Array.of(0, 1, 1, 2), { backend });
    using rows = layer.forward(ids);
    using sum = rows.sum();
    sum.backward();
    assertEquals(await layer.weight.grad!.toArray(), [[1, 1], [0, 0], [1, 1]]);
  }
  assertThrows(
    () => new Embedding({ numEmbeddings: 3, embeddingDim: 2, paddingIdx: 3 }, initialized({ backend })),
    ShapeError,
    "Cannot make an Embedding of 3 rows with paddingIdx 3: there is no such row",
  );
  assertEquals(backend.memory.liveStorages, 0);
});

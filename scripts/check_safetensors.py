"""Reads a Hugging Face folder with the Python package safetensors, and checks every tensor against config.json.

python3 check_safetensors.py FOLDER

Names, shapes and dtypes must be those of a Llama with the config's numbers; where there is an index, each tensor must lie in
the file that it names. One line says what was read; what is wrong goes to stderr, with exit code 1.
"""

import json
import sys
from pathlib import Path

try:
    from safetensors import safe_open
except ImportError as error:
    sys.exit(f"Cannot check: {error}; run `deno task setup`")

TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def expected_shapes(config):
    """Every parameter of the config's model, with its shape."""
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or hidden // heads
    queries, keys = heads * head_dim, config["num_key_value_heads"] * head_dim
    shapes = {"model.embed_tokens.weight": [config["vocab_size"], hidden], "model.norm.weight": [hidden]}
    if not config.get("tie_word_embeddings"):
        shapes["lm_head.weight"] = [config["vocab_size"], hidden]
    products = {
        "self_attn.q_proj": (queries, hidden, "attention_bias"),
        "self_attn.k_proj": (keys, hidden, "attention_bias"),
        "self_attn.v_proj": (keys, hidden, "attention_bias"),
        "self_attn.o_proj": (hidden, queries, "attention_bias"),
        "mlp.gate_proj": (wide, hidden, "mlp_bias"),
        "mlp.up_proj": (wide, hidden, "mlp_bias"),
        "mlp.down_proj": (hidden, wide, "mlp_bias"),
    }
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{prefix}.{norm}.weight"] = [hidden]
        for name, (rows, columns, bias) in products.items():
            shapes[f"{prefix}.{name}.weight"] = [rows, columns]
            if config.get(bias):
                shapes[f"{prefix}.{name}.bias"] = [rows]
    return shapes


def read(folder):
    """The files' tensors, as (shape, dtype) by name, and the names of the files."""
    index = folder / "model.safetensors.index.json"
    weight_map = json.loads(index.read_text())["weight_map"] if index.exists() else None
    files = sorted(set(weight_map.values())) if weight_map else ["model.safetensors"]
    tensors = {}
    for name in files:
        with safe_open(folder / name, framework="numpy") as file:
            for key in file.keys():
                if weight_map and weight_map.get(key) != name:
                    sys.exit(f"{name}: {key} is not where the index has it: {weight_map.get(key)}")
                part = file.get_slice(key)
                tensors[key] = (part.get_shape(), part.get_dtype())
                if part.get_dtype() != "BF16":  # which NumPy does not have
                    file.get_tensor(key)  # its bytes are there
    if weight_map and set(weight_map) != set(tensors):
        sys.exit(f"the index names tensors that are nowhere: {sorted(set(weight_map) - set(tensors))}")
    return tensors, files


def main(folder):
    config = json.loads((folder / "config.json").read_text())
    expected = expected_shapes(config)
    tensors, files = read(folder)
    dtype = TYPES[config.get("dtype") or config.get("torch_dtype") or "float32"]
    wrong = [f"{name} is missing" for name in expected.keys() - tensors.keys()]
    wrong += [f"{name} is one too many" for name in tensors.keys() - expected.keys()]
    for name in expected.keys() & tensors.keys():
        if tensors[name] != (expected[name], dtype):
            wrong.append(f"{name} should be {dtype} {expected[name]}, found {tensors[name]}")
    if wrong:
        sys.exit("\n".join(sorted(wrong)))
    heads = f"{config['num_attention_heads']} heads on {config['num_key_value_heads']}"
    print(f"{len(tensors)} tensors in {len(files)} files are right: {heads}, {dtype}")


main(Path(sys.argv[1]))

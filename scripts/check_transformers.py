"""Logits of a Hugging Face folder by transformers: check_transformers.py FOLDER IDS, with ids as a JSON list, prints JSON."""

import json
import sys

import torch
from transformers import LlamaForCausalLM

torch.manual_seed(0)
model, info = LlamaForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, output_loading_info=True)
problems = {name: sorted(map(str, found)) for name, found in info.items() if found}
if problems:
    sys.exit(f"transformers did not load it as it is: {problems}")
with torch.no_grad():
    logits = model.eval()(torch.tensor([json.loads(sys.argv[2])])).logits[0]
json.dump(logits.flatten().tolist(), sys.stdout)

"""Lays a BERT folder out as RoBERTa or DistilBERT: real weights in those families' layouts, for tests and benchmarks.

    python tests/reference/relay.py roberta BERT_FOLDER NEW_FOLDER

RoBERTa: positions begin behind pad_token_id 1, so two rows of zeros stand before them; one type, the first. DistilBERT:
no types, so the first is added to every position. The pooler stays behind, the tokenizer is BERT's.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
DISTILBERT = {"encoder.layer.": "transformer.layer.", "attention.self.query": "attention.q_lin",
              "attention.self.key": "attention.k_lin", "attention.self.value": "attention.v_lin",
              "attention.output.dense": "attention.out_lin", "attention.output.LayerNorm": "sa_layer_norm",
              "intermediate.dense": "ffn.lin1", "output.dense": "ffn.lin2", "output.LayerNorm": "output_layer_norm"}


def relay(family, source, folder):
    source, folder = Path(source), Path(folder)
    config = json.loads((source / "config.json").read_text())
    weights = {name.removeprefix("bert."): value for name, value in load_file(source / "model.safetensors").items()}
    weights = {name: value.float() for name, value in weights.items() if name.startswith(("embeddings.", "encoder."))}
    weights.pop("embeddings.position_ids", None)
    types, positions = weights.pop("embeddings.token_type_embeddings.weight"), "embeddings.position_embeddings.weight"
    if family == "roberta":
        weights[positions] = torch.cat([torch.zeros(2, types.shape[1]), weights[positions]])
        weights["embeddings.token_type_embeddings.weight"] = types[:1].clone()
        config |= {"model_type": "roberta", "architectures": ["RobertaModel"], "type_vocab_size": 1, "pad_token_id": 1,
                   "max_position_embeddings": config["max_position_embeddings"] + 2, "bos_token_id": None,
                   "eos_token_id": None}
    else:
        weights[positions] = weights[positions] + types[0]
        for old, new in DISTILBERT.items():
            weights = {name.replace(old, new): value for name, value in weights.items()}
        assert config["layer_norm_eps"] == 1e-12, "DistilBERT's is fixed"
        config = {"model_type": "distilbert", "architectures": ["DistilBertModel"], "dim": config["hidden_size"],
                  "n_layers": config["num_hidden_layers"], "n_heads": config["num_attention_heads"],
                  "hidden_dim": config["intermediate_size"], "activation": config["hidden_act"],
                  "vocab_size": config["vocab_size"], "max_position_embeddings": config["max_position_embeddings"]}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file({f"{family}.{name}": value.contiguous() for name, value in weights.items()},
              folder / "model.safetensors", metadata={"format": "pt"})
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copy(source / name, folder)
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("roberta", "distilbert"):
        sys.exit(__doc__)
    relay(*sys.argv[1:])

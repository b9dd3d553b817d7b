"""The real tokenizers of ../shared/data/tokenizers: folders as hone gets them, and the reference's tokenizer of each."""

import json
import shutil
import struct
from types import SimpleNamespace

from tokenizers import Tokenizer
from transformers import (AlbertTokenizer, BertTokenizer, GPT2Tokenizer, RobertaTokenizer, T5Tokenizer, XLNetTokenizer,
                          convert_slow_tokenizer)

from texts import DATA

# name: folder, file as it is there and as it must be called, Transformers' class, tokenizer_config.json, further files
OLD_FILES = {
    "bert-base-uncased vocab": ("bert-base-uncased", {"vocab.txt": "vocab.txt"}, BertTokenizer, {"do_lower_case": True}),
    "bert-base-cased vocab": ("bert-base-cased", {"vocab.txt": "vocab.txt"}, BertTokenizer, {"do_lower_case": False}),
    "bert-base-multilingual-cased vocab": ("bert-base-multilingual-cased", {"vocab.txt": "vocab.txt"}, BertTokenizer,
                                           {"do_lower_case": False}),
    "gpt2 vocab": ("gpt2", {"vocab.json": "vocab.json", "merges.txt": "merges.txt"}, GPT2Tokenizer, None),
    "roberta-base vocab": ("roberta-base", {"vocab.json": "vocab.json", "merges.txt": "merges.txt"}, RobertaTokenizer, None),
    "albert-base-v2 spiece": ("albert-base-v2", {"spiece.model": "spiece.model"}, AlbertTokenizer,
                              {"tokenizer_class": "AlbertTokenizer"}),
    "xlnet-base-cased spiece": ("xlnet-base-cased", {"spiece.model": "spiece.model"}, XLNetTokenizer,
                                {"tokenizer_class": "XLNetTokenizer"}),
    "t5like spiece": ("seqio-test-t5like", {"sentencepiece.model": "spiece.model"}, T5Tokenizer,
                      {"tokenizer_class": "T5Tokenizer"}),
}
# The same with tokens that the vocabulary lacks: named ones, which are special, and listed ones; common in texts.
NAMED = {"special_tokens_map.json": {"pad_token": "of the", "mask_token": {
    "content": "in a", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False}}}
LISTED = {"bert-base-uncased": 30522, "gpt2": 50257, "roberta-base": 50265, "albert-base-v2": 30000}
for before in list(OLD_FILES):
    if (first := LISTED.get(OLD_FILES[before][0])):
        OLD_FILES[before.split()[0] + " named"] = (*OLD_FILES[before], {
            **NAMED, "added_tokens.json": {" And The": first, "of the": first + 1}})
JSON_FILES = ("bert-base-uncased", "bert-base-cased")


def read_protobuf(bytes_):
    """Fields (number, value) of a message; values are ints or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = bytes_[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(bytes_):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            n = {1: 8, 5: 4}.get(key & 7) or varint()
            yield key >> 3, bytes_[at:at + n]
            at += n


class ModelProto:
    """What Transformers asks of sentencepiece_model.proto's message (the environment has no protobuf)."""

    def ParseFromString(self, bytes_):  # noqa: N802, protobuf's name
        self.pieces, trainer, normalizer = [], {}, {}
        for number, value in read_protobuf(bytes_):
            if number == 1:
                piece = dict(read_protobuf(value))
                score = struct.unpack("<f", piece.get(2, bytes(4)))[0]
                self.pieces.append(SimpleNamespace(piece=piece[1].decode(), score=score, type=piece.get(3, 1)))
            elif number == 2:
                trainer = dict(read_protobuf(value))
            elif number == 3:
                normalizer = dict(read_protobuf(value))
        # Numbers and defaults of the .proto file.
        self.trainer_spec = SimpleNamespace(model_type=trainer.get(3, 1), unk_id=trainer.get(40, 0),
                                            byte_fallback=bool(trainer.get(35, 0)))
        self.normalizer_spec = SimpleNamespace(precompiled_charsmap=normalizer.get(2, b""),
                                               add_dummy_prefix=bool(normalizer.get(3, 1)))


def allow_sentencepiece():
    convert_slow_tokenizer.requires_backends = lambda *_: None
    convert_slow_tokenizer.import_protobuf = lambda *_: SimpleNamespace(ModelProto=ModelProto)


def make_folders(work):
    """{name: (folder for hone, reference Tokenizer)}: as the files are, and what Transformers saves of the old ones."""
    allow_sentencepiece()
    found = {}
    for name in JSON_FILES:
        found[name] = (DATA / "tokenizers" / name, Tokenizer.from_file(str(DATA / "tokenizers" / name / "tokenizer.json")))
    for name, (source, files, kind, config, *further) in OLD_FILES.items():
        folder = work / name.replace(" ", "-")
        folder.mkdir(parents=True)
        for there, here in files.items():
            shutil.copy(DATA / "tokenizers" / source / there, folder / here)
        for file, content in {"tokenizer_config.json": config, **dict(*further)}.items():
            if content:
                (folder / file).write_text(json.dumps(content))
        loaded = kind.from_pretrained(str(folder), **{k: v for k, v in (config or {}).items() if k == "do_lower_case"})
        found[name] = (folder, loaded._tokenizer)
        if source not in JSON_FILES and not further:
            saved = work / (source + "-saved")
            loaded.save_pretrained(saved)
            found[source + " saved"] = (saved, Tokenizer.from_file(str(saved / "tokenizer.json")))
    for _, reference in found.values():
        reference.no_truncation()
        reference.no_padding()
    return found

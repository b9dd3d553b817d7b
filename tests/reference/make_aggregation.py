"""Makes tests/fixtures/aggregation/: what Transformers' token-classification pipeline makes of texts whose tokens have
given scores, for each aggregation strategy, with a WordPiece tokenizer (tests/fixtures/tokenizer/uncased) and a byte-level
BPE trained here.

    python tests/reference/make_aggregation.py

Scores are multiples of 1/64, so that many are equal: of those the first counts. A mean of scores is one of f32."""
import json
import random
from pathlib import Path
from types import SimpleNamespace

import numpy
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, TokenClassificationPipeline
from transformers.pipelines.token_classification import AggregationStrategy

FIXTURES = Path(__file__).parent.parent / "fixtures"
LABELS = [["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ["I-x-y", "O", "NOUN", "B-O", "I-NOUN", "E-PER"]]
TEXTS = [
    "", " ", "a", "Angela Merkel visited New York City on Tuesday.", "unaffable embeddings, don't!",
    "Ünïcödé naïve café in Zürich", "  two  spaces and a\ttab ", "中文 mixed 日本語", "emoji 👍🏽 here", "e\u0301 and é, İstanbul",
    "[UNK] [MASK] <unk> inside", "x" * 120 + " y", "o'clock U.S. -- (A) \"B\"", "a\u00a0b\u3000c", "зимний день", "end\u2028of line\x01",
]


def byte_level():
    """Trained on the texts; written beside the fixture."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<s>", "</s>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), True, False)
    folder = FIXTURES / "aggregation" / "byte_level"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text('{"unk_token": "<unk>"}\n')
    return tokenizer, "<unk>", "aggregation/byte_level"


def word_piece():
    return Tokenizer.from_file(str(FIXTURES / "tokenizer/uncased/tokenizer.json")), "[UNK]", "tokenizer/uncased"


def expected(pipeline, labels, text, encoding, scores, strategy):
    pre = pipeline.gather_pre_entities(text, numpy.array(encoding.ids), scores, encoding.offsets,
                                       numpy.array(encoding.special_tokens_mask), strategy)
    found = [e for e in pipeline.aggregate(pre, strategy) if "O" not in (e.get("entity"), e.get("entity_group"))]
    return [[e.get("entity_group") or e["entity"], round(float(e["score"]), 7), e["start"], e["end"], e["word"],
             *([int(e["index"])] if "index" in e else [])] for e in found]


def main():
    rng = random.Random(3)
    cases = []
    for tokenizer, unk, folder in (word_piece(), byte_level()):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        pipeline = TokenClassificationPipeline.__new__(TokenClassificationPipeline)
        pipeline.tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=unk)
        for i, text in enumerate(TEXTS):
            labels = LABELS[i % 7 == 3]
            pipeline.model = SimpleNamespace(config=SimpleNamespace(id2label=dict(enumerate(labels))))
            encoding = tokenizer.encode(text)
            rows, favourite = [], 0
            for _ in encoding.ids:
                favourite = favourite if rng.random() < 0.6 else rng.randrange(len(labels))
                rows.append([rng.choice([4, 8, 16]) + 16 * (k == favourite) for k in range(len(labels))])
            scores = numpy.array(rows, dtype=numpy.float32).reshape(len(rows), len(labels)) / numpy.float32(64)
            cases.append({"tokenizer": folder, "labels": labels, "text": text, "scores": rows} | {
                s.value: expected(pipeline, labels, text, encoding, scores, s) for s in AggregationStrategy})
    with open(FIXTURES / "aggregation" / "cases.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
